final class Describe {}
