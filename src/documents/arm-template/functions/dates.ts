/**
 * Functions on dates, which are text. All times are UTC.
 *
 * Azure docs: templates/template-functions-date; the letters of formats are .NET's.
 */

import { type Arguments, type PureFunctions, pure } from "./arguments.ts";

export const dateFunctions: PureFunctions = {
  dateTimeAdd: pure(2, (from) => formatDate(from, added(from, dateOf(from, from.text(0)), from.text(1)), from.optionalText(2) ?? "u"), 3),
  dateTimeFromEpoch: pure(1, (from) => {
    const date = new Date(from.int(0) * 1000);
    return Number.isNaN(date.getTime()) ? from.refuse("this is no time") : formatDate(from, date, "yyyy-MM-ddTHH:mm:ssZ");
  }),
  dateTimeToEpoch: pure(1, (from) => Math.floor(dateOf(from, from.text(0)).getTime() / 1000)),
};

/** What `utcNow` gives unless it is told otherwise. */
export const defaultNowFormat = "yyyyMMddTHHmmssZ";

export function dateOf(from: Arguments, text: string): Date {
  const pattern = /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d{1,7}))?)?)?\s*(?:Z|([-+])(\d\d):?(\d\d))?$/;
  const match = pattern.exec(text.trim());
  if (match === null) return from.refuse(`${JSON.stringify(text.slice(0, 60))} is no date`, "write 2026-01-31T12:00:00Z");
  const [, year, month, day, hour, minute, second, fraction = "", sign, zoneHours, zoneMinutes] = match;
  const zone = (sign === "-" ? -1 : 1) * (Number(zoneHours ?? 0) * 60 + Number(zoneMinutes ?? 0));
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const parts = [Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0), milliseconds] as const;
  return new Date(Date.UTC(Number(year), Number(month) - 1, Number(day), ...parts) - zone * 60_000);
}

/** An ISO 8601 duration: `P3Y`, `-PT1H30M`. */
function added(from: Arguments, date: Date, duration: string): Date {
  const match =
    /^(-?)P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/.exec(duration);
  if (match === null || /[PT]$/.test(duration))
    return from.refuse(`${JSON.stringify(duration.slice(0, 60))} is no duration`, "write P1D, PT1H30M or -P1Y");
  const [years = 0, months = 0, weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = match
    .slice(2)
    .map((part) => Number(part ?? 0) * (match[1] === "-" ? -1 : 1));
  const moved = new Date(date);
  // The 31st of a month plus a month is the last of the next, as .NET has it.
  const day = moved.getUTCDate();
  moved.setUTCDate(1);
  moved.setUTCMonth(moved.getUTCMonth() + 12 * years + months);
  const last = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate();
  moved.setUTCDate(Math.min(day, last));
  moved.setTime(moved.getTime() + (((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds) * 1000);
  const year = moved.getUTCFullYear();
  return Number.isNaN(year) || year < 1 || year > 9999 ? from.refuse("the date is out of range") : moved;
}

/** Formats of one letter, spelled out. */
const standard: Readonly<Record<string, string>> = {
  d: "MM/dd/yyyy",
  D: "dddd, dd MMMM yyyy",
  f: "dddd, dd MMMM yyyy HH:mm",
  F: "dddd, dd MMMM yyyy HH:mm:ss",
  g: "MM/dd/yyyy HH:mm",
  G: "MM/dd/yyyy HH:mm:ss",
  m: "MMMM dd",
  M: "MMMM dd",
  o: "yyyy-MM-ddTHH:mm:ss.fffffffZ",
  O: "yyyy-MM-ddTHH:mm:ss.fffffffZ",
  r: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  R: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  s: "yyyy-MM-ddTHH:mm:ss",
  t: "HH:mm",
  T: "HH:mm:ss",
  u: "yyyy-MM-dd HH:mm:ssZ",
  y: "yyyy MMMM",
  Y: "yyyy MMMM",
};
const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = "January February March April May June July August September October November December".split(" ");

export function formatDate(from: Arguments, date: Date, format: string): string {
  if (format.length === 1 && !Object.hasOwn(standard, format)) return from.refuse(`dates have no format ${JSON.stringify(format)}`);
  const [year, month, day, weekday] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), weekdays[date.getUTCDay()] ?? ""];
  const two = (value: number) => String(value).padStart(2, "0");
  const letters: Readonly<Record<string, string>> = {
    yyyy: String(year).padStart(4, "0"),
    yy: two(year % 100),
    MMMM: months[month] ?? "",
    MMM: months[month]?.slice(0, 3) ?? "",
    MM: two(month + 1),
    M: String(month + 1),
    dddd: weekday,
    ddd: weekday.slice(0, 3),
    dd: two(day),
    d: String(day),
    HH: two(date.getUTCHours()),
    H: String(date.getUTCHours()),
    hh: two(date.getUTCHours() % 12 || 12),
    h: String(date.getUTCHours() % 12 || 12),
    mm: two(date.getUTCMinutes()),
    m: String(date.getUTCMinutes()),
    ss: two(date.getUTCSeconds()),
    s: String(date.getUTCSeconds()),
    tt: date.getUTCHours() < 12 ? "AM" : "PM",
    zzz: "+00:00",
    zz: "+00",
    z: "+0",
    K: "Z",
  };
  const fraction = `${String(date.getUTCMilliseconds()).padStart(3, "0")}0000`;
  return (standard[format] ?? format).replace(
    /'([^']*)'|\\(.)|([A-Za-z])\3*/g,
    (run, quoted?: string, escaped?: string, letter?: string) => {
      if (quoted !== undefined || escaped !== undefined) return quoted ?? escaped ?? "";
      if (letter === "f" || letter === "F") return fraction.slice(0, Math.min(run.length, 7));
      return letters[run] ?? run;
    },
  );
}
