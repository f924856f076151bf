final class Hash {}
