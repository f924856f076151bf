final class Format {}
