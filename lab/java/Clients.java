final class Clients {}
