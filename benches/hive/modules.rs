//! Ten modules for services to require: about 500 lines each, with functions and a table of data.
//! The same text in every run.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

const MODULES: usize = 10;
const FUNCTIONS: usize = 17;
const ROWS: usize = 60;
/// Lines of a function besides its first and last two.
const STEPS: usize = 20;

/// Writes `module_1.lua` to `module_10.lua` into the folder.
pub fn write(folder: &Path) -> io::Result<()> {
    (1..=MODULES)
        .try_for_each(|module| fs::write(folder.join(format!("module_{module}.lua")), text(module)))
}

fn text(module: usize) -> String {
    let mut text = format!("local module = {{ name = 'module_{module}' }}\nlocal rows = {{\n");
    for row in 1..=ROWS {
        let (price, rate) = (row * 37 % 5000, row as f64 / 64.0);
        let _ = writeln!(
            text,
            "  {{ id = {row}, name = 'item_{module}_{row}', price = {price}, rate = {rate}, \
             tags = {{ 'tag_{}', 'kind_{}' }} }},",
            row % 7,
            row % 5
        );
    }
    text.push_str("}\nmodule.rows = rows\n");
    (1..=FUNCTIONS).for_each(|function| write_function(&mut text, function));
    text.push_str("return module\n");
    text
}

fn write_function(text: &mut String, function: usize) {
    let _ = writeln!(text, "function module.step_{function}(self, n, options)\n  local total = 0");
    for step in 1..=STEPS {
        let _ = match step % 3 {
            0 => writeln!(text, "  if total > {step} then total = total - rows[{step}].id end"),
            1 => writeln!(text, "  total = total + n * {step} + rows[{step}].price"),
            _ => writeln!(text, "  self.last = options and options.limit_{step} or total"),
        };
    }
    text.push_str("  return total\nend\n");
}
