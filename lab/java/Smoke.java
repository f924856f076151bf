final class Smoke {}
