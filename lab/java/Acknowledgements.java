final class Acknowledgements {}
