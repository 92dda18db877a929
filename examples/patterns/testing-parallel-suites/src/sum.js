// Adds two numbers.
exports.sum = (a, b) => a + b;
