/** Colour as a parameter: the same text with or without it. */

/** Each wraps text. In the plain style each returns it as it is. */
export type Style = {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly blue: (text: string) => string;
  readonly magenta: (text: string) => string;
  readonly cyan: (text: string) => string;
};

const same = (text: string): string => text;

export const plain: Style = {
  bold: same,
  dim: same,
  red: same,
  green: same,
  yellow: same,
  blue: same,
  magenta: same,
  cyan: same,
};

/** ECMA-48 select graphic rendition; each ends only what it began, so that styles nest. */
const sgr =
  (on: number, off: number) =>
  (text: string): string =>
    `\u001b[${on}m${text}\u001b[${off}m`;

export const coloured: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  blue: sgr(34, 39),
  magenta: sgr(35, 39),
  cyan: sgr(36, 39),
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what it looks for
const escapes = /\u001b\[[0-9;]*m/g;

/** Columns that `text` takes on a terminal. Names and addresses are ASCII; wide characters of other scripts count as one. */
export function widthOf(text: string): number {
  return [...text.replace(escapes, "")].length;
}

/** `text` filled with spaces up to `width` columns. */
export function padTo(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}
