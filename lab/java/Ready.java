final class Ready {}
