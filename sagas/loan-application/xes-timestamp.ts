/** Reads `time:timestamp`, an xs:dateTime, the same way on every machine. */

const shape = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * Milliseconds since 1970 UTC, or undefined when `text` is no date and time. What is finer than a millisecond is cut
 * off. A value without a zone counts as UTC: the zone of the machine that reads must not change the order of a log.
 */
export function parseTimestampMs(text: string): number | undefined {
  const parts = shape.exec(text.trim());
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as Six;
  const offsetMinutes = parseOffsetMinutes(parts[8]);
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || offsetMinutes === undefined) return undefined;
  const date = new Date(0);
  // Date.UTC would read the years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute - offsetMinutes, second, Number((parts[7] ?? '').slice(1, 4).padEnd(3, '0')));
  return date.getTime();
}

type Six = [number, number, number, number, number, number];

function daysInMonth(year: number, month: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return date.getUTCDate();
}

/** xs:dateTime allows 14 hours to either side. */
function parseOffsetMinutes(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (minutes > 59 || hours * 60 + minutes > 14 * 60) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
