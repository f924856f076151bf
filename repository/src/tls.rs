//! One TLS implementation for the whole process.

use std::sync::Once;

/// Makes `ring` the process's TLS provider, unless one was chosen before. HTTP clients need it before they are built.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Err: someone else was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
