final class Workers {}
