/** HTML and SVG text, escaped. Elements are written by {@link element} only, so that no name from outside becomes markup. */

import { oneLine } from "./document.ts";

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Markup that is safe to put into markup. */
export type Markup = { readonly markup: string };

/** Characters that XML 1.0 does not have at all are replaced, so that what comes out is well-formed whatever comes in. */
export function escapeMarkup(text: string): string {
  return oneLine(text)
    .replace(/\p{Cs}|[\ufffe\uffff]/gu, "\ufffd")
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** `children`: text, which is escaped, or markup. Elements without children are written in XML's short form. */
export function element(name: string, attributes: Attributes, children: readonly (string | Markup)[] = []): Markup {
  const written = Object.entries(attributes)
    .flatMap(([key, value]) => (value === undefined ? [] : [` ${key}="${typeof value === "number" ? short(value) : escapeMarkup(value)}"`]))
    .join("");
  const inside = children.map((child) => (typeof child === "string" ? escapeMarkup(child) : child.markup)).join("");
  return { markup: inside === "" ? `<${name}${written}/>` : `<${name}${written}>${inside}</${name}>` };
}

/** Hundredths of a pixel are enough, and the same on every machine. */
function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}
