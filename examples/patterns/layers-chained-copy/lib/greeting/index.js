// Greets `name`.
exports.greet = (name) => `hello, ${name}`;
