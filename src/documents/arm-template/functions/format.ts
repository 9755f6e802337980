/** `format()`: .NET's composite formatting, as far as templates use it (Azure docs: templates/template-functions-string, format). */

import type { Value } from "../value.ts";
import type { Arguments } from "./arguments.ts";
import { asText } from "./values.ts";

export function formatted(from: Arguments): string {
  const pattern = from.text(0);
  return pattern.replace(/\{\{|\}\}|\{([^{}]*)\}?|\}/g, (whole, inside: string | undefined) => {
    if (whole === "{{") return "{";
    if (whole === "}}") return "}";
    const item = /^\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?(?::(.*))?$/s.exec(inside ?? "");
    if (item === null || !whole.endsWith("}"))
      return from.refuse(`${JSON.stringify(whole)} names no argument`, "write {0}, {1}, …; a brace itself is {{ or }}");
    const [, position = "", width, style] = item;
    const index = Number(position) + 1;
    if (index >= from.count) return from.refuse(`{${position}} names argument ${index + 1}, and there are ${from.count}`);
    const text = styled(from, from.known(index), style ?? "");
    const length = Math.min(Math.abs(Number(width ?? 0)), 10_000);
    return Number(width ?? 0) < 0 ? text.padEnd(length) : text.padStart(length);
  });
}

function styled(from: Arguments, value: Value, style: string): string {
  if (style === "" || typeof value !== "number") return asText(value);
  const [, letter = "", digits = ""] = /^([DdXxNnFfGg])(\d{0,2})$/.exec(style) ?? [];
  const places = digits === "" ? undefined : Number(digits);
  const sign = value < 0 ? "-" : "";
  switch (letter.toUpperCase()) {
    case "D":
      return sign + String(Math.abs(value)).padStart(places ?? 0, "0");
    case "X": {
      const hexadecimal = (value < 0 ? value + 2 ** 32 : value).toString(16).padStart(places ?? 0, "0");
      return letter === "X" ? hexadecimal.toUpperCase() : hexadecimal;
    }
    case "N": {
      const [whole = "", fraction] = Math.abs(value)
        .toFixed(places ?? 2)
        .split(".");
      return sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
    }
    case "F":
      return value.toFixed(places ?? 2);
    case "G":
      return String(value);
    default:
      // `000`: at least so many digits.
      if (/^0+$/.test(style)) return sign + String(Math.abs(value)).padStart(style.length, "0");
      return from.refuse(`the style :${style} of a number is not known here`, "use D, X, N or F with a number of digits, or zeros");
  }
}
