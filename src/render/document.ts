/**
 * A report as data: headings, paragraphs, tables, pictures. What a reader sees in a terminal, in a pull request and in a browser is made from the
 * same blocks (document-text.ts, document-markdown.ts, document-html.ts), so that the three say the same.
 */

import type { Picture } from "./svg.ts";

/** How something is meant; colour is never the only sign of it, since the words say it too. */
export type Tone = "strong" | "dim" | "good" | "warn" | "bad" | "code";

export type Span = { readonly text: string; readonly tone: Tone };

/** Words, parts of which may have a tone. Line feeds are spaces. */
export type Words = string | readonly (string | Span)[];

export type Align = "left" | "right";

export type Block =
  | { readonly kind: "heading"; readonly level: 2 | 3; readonly text: string }
  | { readonly kind: "paragraph"; readonly words: Words }
  | { readonly kind: "list"; readonly items: readonly Words[]; readonly ordered?: boolean }
  | {
      readonly kind: "table";
      /** What it shows, for those who do not see it. */
      readonly caption: string;
      readonly heads: readonly string[];
      readonly rows: readonly (readonly Words[])[];
      /** By column; left where it says nothing. */
      readonly align?: readonly Align[];
      /** Cells are sentences: a terminal wraps them. */
      readonly isProse?: true;
    }
  | {
      readonly kind: "figure";
      readonly picture: Picture;
      /** The figures of the picture as a table: where there are no pictures, and for those who do not see them. */
      readonly instead: {
        readonly heads: readonly string[];
        readonly rows: readonly (readonly string[])[];
        readonly align?: readonly Align[];
      };
    };

export type Document = { readonly title: string; readonly blocks: readonly Block[] };

export function span(tone: Tone, text: string): Span {
  return { tone, text };
}

export function spansOf(words: Words): readonly (string | Span)[] {
  return typeof words === "string" ? [words] : words;
}

export function plainWords(words: Words): string {
  return spansOf(words)
    .map((part) => (typeof part === "string" ? part : part.text))
    .join("");
}

/** Text from outside on one line, and without control characters: they move cursors, reverse directions, or end lines. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => (/\s/u.test(char) ? " " : "\ufffd"));
}
