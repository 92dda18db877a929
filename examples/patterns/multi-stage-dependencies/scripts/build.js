// Builds `dist`, and puts a copy in place of each link in `node_modules`, so that the folder stands alone.
const fs = require("node:fs");

fs.rmSync("dist", { recursive: true, force: true });
fs.cpSync("src", "dist", { recursive: true });

for (const name of fs.readdirSync("node_modules")) {
  const path = `node_modules/${name}`;
  if (fs.lstatSync(path).isSymbolicLink()) {
    const target = fs.realpathSync(path);
    fs.unlinkSync(path);
    fs.cpSync(target, path, { recursive: true });
  }
}
