// Builds `dist`, with what the build's environment says written into it.
const fs = require("node:fs");

const { DEBUG, OPTIMIZATION } = process.env;
const build = JSON.stringify(`debug ${DEBUG}, optimization ${OPTIMIZATION}`);
const source = fs.readFileSync("src/index.js", "utf8");
fs.mkdirSync("dist", { recursive: true });
fs.writeFileSync("dist/index.js", source.replace("BUILD", build));
