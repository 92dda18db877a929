// Writes the mode that it is built in into the result, as bundlers do.
const fs = require("node:fs");

const mode = JSON.stringify(process.env.NODE_ENV ?? "development");
const source = fs.readFileSync("src/index.js", "utf8");
fs.mkdirSync("dist", { recursive: true });
fs.writeFileSync("dist/index.js", source.replaceAll("process.env.NODE_ENV", mode));
