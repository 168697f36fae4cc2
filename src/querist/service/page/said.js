// What a question asks for: whether something is an answer, and how it goes to the server.

export function numbersIn(output) {
  return output.shape.reduce((one, two) => one * two, 1);
}

// What is wrong with what was typed; "" where it can be sent, null where nothing was typed yet.
export function wrong(output, text) {
  if (text === undefined || text === "") return null;
  if (output.classes.length) return output.classes.includes(text) ? "" : "It should be one of these.";
  const found = read(text);
  const wanted = numbersIn(output);
  if (found.some((one) => !Number.isFinite(one))) return wanted === 1 ? "It should be a number." : "These should be numbers.";
  if (found.length !== wanted) return `It should be ${wanted === 1 ? "one number" : `${wanted} numbers`}, here ${found.length === 1 ? "is 1" : `are ${found.length}`}.`;
  const low = output.low ?? -Infinity;
  const high = output.high ?? Infinity;
  return found.every((one) => one >= low && one <= high) ? "" : `It should lie ${range(output)}.`;
}

export function range({ low, high }) {
  if (low !== undefined && high !== undefined) return `between ${low} and ${high}`;
  return low !== undefined ? `at ${low} or above` : `at ${high} or below`;
}

export function value(output, text) {
  return output.classes.length ? text : nested(read(text), output.shape);
}

function read(text) {
  return text.split(/[\s,;]+/).filter(Boolean).map(Number);
}

// Numbers in a row as lists of a shape: [2, 3] becomes two lists of three.
function nested(numbers, shape) {
  if (!shape.length) return numbers[0];
  const [, ...rest] = shape;
  const size = rest.reduce((one, two) => one * two, 1);
  return Array.from({ length: shape[0] }, (_, at) => nested(numbers.slice(at * size, (at + 1) * size), rest));
}
