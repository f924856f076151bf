final class Load {}
