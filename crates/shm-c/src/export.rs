//! How a function becomes one of the library.

/// Defines functions of the library. Each returns a code: what its body answers, or that it panicked.
///
/// The symbol `name` is renamed to `name@@MOONHIVE_SHM_1` in the assembler, which is how a program that was
/// linked with it asks for this version of the function ever after.
macro_rules! exported {
    ($($(#[$about:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$about])*
        // SAFETY: the prefix is ours; no other symbol of a program has this name.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $type),*) -> std::ffi::c_int {
            $crate::failure::guard(move || $body)
        }
        version_symbol!($name);
    )*};
}

/// Gives a symbol its version, where the linker can.
macro_rules! version_symbol {
    ($name:ident) => {
        #[cfg(versioned_symbols)]
        std::arch::global_asm!(concat!(
            ".symver ",
            stringify!($name),
            ", ",
            stringify!($name),
            "@@MOONHIVE_SHM_1, remove"
        ));
    };
}
