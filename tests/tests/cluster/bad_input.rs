//! Whatever is wrong is said once, clearly, and loses nothing.
