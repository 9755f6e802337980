/**
 * What a plain (unquoted) YAML scalar means. As kubectl reads it, which is YAML 1.1 in part: sigs.k8s.io/yaml, goyaml.v2/resolve.go.
 * `yes`, `no`, `on`, `off` are booleans there, `0644` is octal; `12:30` is text, and so are `y` and `n`.
 */

export type Scalar = string | number | boolean | null;

const words: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ["", null],
  ["~", null],
  ...["null", "Null", "NULL"].map((word): [string, Scalar] => [word, null]),
  ...["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"].map((word): [string, Scalar] => [word, true]),
  ...["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"].map((word): [string, Scalar] => [word, false]),
]);

/** Longest text that may be a number: more digits are text, which bounds the work. */
const longestNumber = 64;

export function plainScalar(text: string): Scalar {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (text.length > longestNumber) return text;
  const first = text.charCodeAt(0);
  const mayBeNumber = (first >= 48 && first <= 57) || first === 43 || first === 45 || first === 46;
  return mayBeNumber ? (numberOf(text) ?? text) : text;
}

/** The number that a text is in any of YAML's forms. Infinities and NaN are none: JSON has no word for them. */
export function numberOf(text: string): number | undefined {
  const digits = text.replaceAll("_", "");
  const match = /^([-+]?)(?:0x([0-9a-fA-F]+)|0b([01]+)|0o?([0-7]+)|(0|[1-9]\d*))$/.exec(digits);
  if (match !== null) {
    const [, sign, hexadecimal, binary, octal, decimal = "0"] = match;
    const size =
      hexadecimal !== undefined
        ? Number.parseInt(hexadecimal, 16)
        : binary !== undefined
          ? Number.parseInt(binary, 2)
          : octal !== undefined
            ? Number.parseInt(octal, 8)
            : Number(decimal);
    return sign === "-" && size !== 0 ? -size : size;
  }
  if (!/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/.test(digits)) return undefined;
  const value = Number(digits);
  return Number.isFinite(value) ? value : undefined;
}
