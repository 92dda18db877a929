const { greet } = require("greeting");
const { sum } = require("./sum");

console.log(`${greet("checks")}: ${sum(1, 2)}`);
