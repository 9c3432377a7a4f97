//! Compiles what lets libFuzzer see which edges of Lua's C code ran (`coverage.c`).

fn main() {
    println!("cargo::rerun-if-changed=coverage.c");
    println!("cargo::rerun-if-changed=build.rs");
    let mut build = cc::Build::new();
    build.file("coverage.c").cargo_metadata(false).compile("moonhive_fuzz_coverage");
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=static:+whole-archive=moonhive_fuzz_coverage");
    println!("cargo::rustc-link-arg=-Wl,--wrap=__sanitizer_cov_trace_pc");
}
