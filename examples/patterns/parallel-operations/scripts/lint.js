// A small linter: no `var`, no trailing space, every file parses. Says what it looked at in `reports`.
const fs = require("node:fs");
const vm = require("node:vm");

let faults = 0;
const files = fs.readdirSync("src").sort();
for (const name of files) {
  const text = fs.readFileSync(`src/${name}`, "utf8");
  new vm.Script(`(function (require, exports, module) {${text}\n})`, { filename: name });
  text.split("\n").forEach((line, index) => {
    if (/^\s*var\b|[ \t]$/.test(line)) {
      console.error(`src/${name}:${index + 1}: ${line}`);
      faults += 1;
    }
  });
}
fs.mkdirSync("reports", { recursive: true });
fs.writeFileSync("reports/lint.json", JSON.stringify({ files, faults }) + "\n");
process.exitCode = faults > 0 ? 1 : 0;
