const { sum } = require("./sum");
const { greet } = require("greeting");

console.log(`${greet("tests")}: ${sum(1, 2)}`);
