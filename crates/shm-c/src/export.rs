//! How a function becomes one of the library.

/// Defines functions of the library. Each returns a code: what its body answers, or that it
/// panicked.
///
/// The symbol `name` is renamed to `name@@MOONHIVE_SHM_1` in the assembler, which is how a program
/// that was linked with it asks for this version of the function ever after. What came later says
/// `since` which version.
macro_rules! exported {
    (since $version:literal; $($functions:tt)*) => {
        exported_as! { $version; $($functions)* }
    };
    ($($functions:tt)*) => {
        exported_as! { "MOONHIVE_SHM_1"; $($functions)* }
    };
}

macro_rules! exported_as {
    ($version:literal; $($(#[$about:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$about])*
        // SAFETY: the prefix is ours; no other symbol of a program has this name.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $type),*) -> std::ffi::c_int {
            $crate::failure::guard(move || $body)
        }
        version_symbol!($name, $version);
    )*};
}

/// Gives a symbol its version, where the linker can.
macro_rules! version_symbol {
    ($name:ident, $version:literal) => {
        #[cfg(versioned_symbols)]
        std::arch::global_asm!(concat!(
            ".symver ",
            stringify!($name),
            ", ",
            stringify!($name),
            "@@",
            $version,
            ", remove"
        ));
    };
}
