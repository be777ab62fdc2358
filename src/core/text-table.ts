/** Columns of text for people to read. */
import { escapeForDisplay } from './stream.js';

export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
}

export const numeric = (...titles: ReadonlyArray<string>): ReadonlyArray<Column> =>
  titles.map((title) => ({ title, isNumber: true }));

/** A line of titles and one line for each row; text of others is escaped, and cut after `cellCharactersMax`. */
export const textTable = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  cellCharactersMax = 200,
): ReadonlyArray<string> => {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((_, index) => escapeForDisplay(row[index] ?? '', cellCharactersMax))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return columns[index]?.isNumber === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
};
