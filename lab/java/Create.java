final class Create {}
