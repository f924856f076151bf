final class Lab {}
