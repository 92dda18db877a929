const http = require("node:http");
const { greet } = require("greeting");

if (process.argv[2] === "--check") {
  console.log(`${greet("production")}: ${process.env.NODE_ENV}, port ${process.env.PORT}, uid ${process.getuid()}`);
} else {
  http
    .createServer((_request, response) => response.end(greet("production") + "\n"))
    .listen(Number(process.env.PORT));
}
