final class Dump {}
