// Checks the layout of every Lua file against stylua.toml; with --write, rewrites what differs.
// Uses StyLua's WebAssembly build, a plain npm package, because its command is not to be had from a
// package registry. `node .ci/lua-format.mjs [--write]`, after
// `npm install --prefix target/tools @johnnymorganz/stylua@2.5.2`.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

// `unfinished.lua` is a syntax error on purpose.
const SKIPPED = new Set(["target", ".git", "node_modules", "unfinished.lua"]);
const tools = createRequire(resolve("target/tools/package.json"));
const { formatCode, Config, IndentType, QuoteStyle, CallParenType, LuaVersion, OutputVerification } =
  tools("@johnnymorganz/stylua");

function luaFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (SKIPPED.has(entry.name)) return [];
    if (entry.isDirectory()) return luaFiles(path);
    return entry.name.endsWith(".lua") ? [path] : [];
  });
}

// The keys of stylua.toml that we use; any other is an error, so that the two cannot drift apart.
function configuration() {
  const config = Config.new();
  config.syntax = LuaVersion.Lua54;
  const setters = {
    column_width: (value) => (config.column_width = Number(value)),
    indent_type: (value) => (config.indent_type = IndentType[value]),
    indent_width: (value) => (config.indent_width = Number(value)),
    quote_style: (value) => (config.quote_style = QuoteStyle[value]),
    call_parentheses: (value) => (config.call_parentheses = CallParenType[value]),
  };
  for (const line of readFileSync("stylua.toml", "utf8").split("\n")) {
    const [, key, value] = line.match(/^(\w+) = "?(\w+)"?$/) ?? [];
    if (key) setters[key](value);
  }
  return config;
}

// The text as StyLua lays it out; a file that it cannot read is a failure with the file's name.
function layout(file, text) {
  try {
    return formatCode(text, configuration(), undefined, OutputVerification.Full);
  } catch (problem) {
    console.log(`${file}: ${problem}`);
    process.exitCode = 1;
    return text;
  }
}

const write = process.argv.includes("--write");
const files = luaFiles(".");
let different = 0;
for (const file of files) {
  const text = readFileSync(file, "utf8");
  const formatted = layout(file, text);
  if (formatted === text) continue;
  different += 1;
  if (write) writeFileSync(file, formatted);
  const line = 1 + text.split("\n").findIndex((old, index) => old !== formatted.split("\n")[index]);
  console.log(`${file}:${line}: ${write ? "rewritten" : "differs from StyLua's layout"}`);
}
if (different && !write) {
  console.log("hint: node .ci/lua-format.mjs --write");
  process.exitCode = 1;
}
console.log(`${files.length} Lua files, ${different} ${write ? "rewritten" : "different"}`);
