/**
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
exports.sum = (a, b) => a + b;
