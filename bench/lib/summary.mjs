// The goals in a few lines, for the console.
import { judge, measuredText, verdictText } from './goals.mjs';

export const summary = ({ rows }) => {
  const benches = new Set(rows.map(({ bench }) => bench));
  const lines = judge(rows)
    .filter(({ bench }) => benches.has(bench))
    .map((line) =>
      [line.commit, `${line.bench}: ${line.case}`, line.wanted, measuredText(line), verdictText(line)].join(
        ' | ',
      ),
    );
  return lines.length === 0 ? 'No goal is held against these benches.' : lines.join('\n');
};
