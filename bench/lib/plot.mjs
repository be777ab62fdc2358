// Plots as SVG text: bars with their spread, and lines over writers. No script, no network.
import { figure } from './harness.mjs';

export const escape = (text) =>
  String(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

const ours = '#0b6e8f';
const others = ['#b8860b', '#8f3b76', '#5b8c3e', '#c2452d', '#6b6b6b', '#3f51b5', '#00897b', '#795548'];
const isOurs = (subject) => subject.startsWith('watersmeet');
const colourOf = (subject, index) => (isOurs(subject) ? ours : others[index % others.length]);

const text = (x, y, content, anchor = 'start', more = '') =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" ${more}>${escape(content)}</text>`;

const [labelWidth, barWidth, valueWidth, rowHeight] = [200, 420, 220, 22];

/** One bar for each row, from nothing to its median, and a line from the smallest to the largest of its rounds. */
export const bars = (rows) => {
  const most = Math.max(...rows.map(({ max }) => max));
  const x = (value) => labelWidth + (value / most) * barWidth;
  const lines = rows.map(({ subject, median, min, max, unit }, index) => {
    const y = 6 + index * rowHeight;
    const middle = y + 8;
    const colour = isOurs(subject) ? ours : '#b9b4a7';
    return [
      text(labelWidth - 8, y + 12, subject, 'end'),
      `<rect x="${labelWidth}" y="${y}" width="${Math.max(1, x(median) - labelWidth).toFixed(1)}" height="16" fill="${colour}"/>`,
      `<path d="M${x(min).toFixed(1)} ${middle}H${x(max).toFixed(1)}M${x(min).toFixed(1)} ${middle - 4}v8M${x(max).toFixed(1)} ${middle - 4}v8" stroke="#222" fill="none"/>`,
      text(labelWidth + barWidth + 10, y + 12, `${figure(median)} ${unit}`),
    ].join('');
  });
  const size = [labelWidth + barWidth + valueWidth, rows.length * rowHeight + 12];
  return `<svg viewBox="0 0 ${size.join(' ')}" width="${size[0]}" role="img" aria-label="${escape(rows[0].case)}">${lines.join('')}</svg>`;
};

const [plotWidth, plotHeight, left, top] = [480, 260, 70, 16];

const decades = (low, high) => {
  const from = Math.floor(Math.log10(low));
  return Array.from({ length: Math.ceil(Math.log10(high)) - from + 1 }, (_, index) => 10 ** (from + index));
};

/** Series `{ subject, points: [[x, y]] }` on two logarithmic axes; x are powers of two. */
export const lines = (series, { xLabel, yLabel }) => {
  const all = series.flatMap(({ points }) => points);
  if (all.length === 0) return '';
  const xs = [...new Set(all.map(([x]) => x))].sort((a, b) => a - b);
  const ticks = decades(Math.min(...all.map(([, y]) => y)), Math.max(...all.map(([, y]) => y)));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const place = (value, from, to) => (to === from ? 0.5 : Math.log(value / from) / Math.log(to / from));
  const x = (value) => left + place(value, xs[0], xs.at(-1)) * plotWidth;
  const y = (value) => top + (1 - place(value, low, high)) * plotHeight;
  const at = (point) => `${x(point[0]).toFixed(1)} ${y(point[1]).toFixed(1)}`;
  const drawn = series.map(({ subject, points }, index) => {
    const colour = colourOf(subject, index);
    const dots = points.map((point) => {
      const [cx, cy] = at(point).split(' ');
      return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`;
    });
    const width = isOurs(subject) ? 3 : 1.5;
    return [
      `<path d="M${points.map(at).join('L')}" fill="none" stroke="${colour}" stroke-width="${width}"/>`,
      ...dots,
      `<rect x="${left + plotWidth + 20}" y="${top + index * 20}" width="12" height="12" fill="${colour}"/>`,
      text(left + plotWidth + 38, top + 10 + index * 20, subject),
    ].join('');
  });
  const grid = [
    ...ticks.map(
      (tick) =>
        `<path d="M${left} ${y(tick).toFixed(1)}h${plotWidth}" stroke="#ddd"/>${text(left - 8, y(tick) + 4, figure(tick), 'end')}`,
    ),
    ...xs.map((tick) => text(x(tick), top + plotHeight + 18, figure(tick), 'middle')),
    text(left + plotWidth / 2, top + plotHeight + 36, xLabel, 'middle'),
    text(left, top - 4, yLabel),
  ];
  const size = [left + plotWidth + 240, top + plotHeight + 46];
  return `<svg viewBox="0 0 ${size.join(' ')}" width="${size[0]}" role="img" aria-label="${escape(`${yLabel} by ${xLabel}`)}">${grid.join('')}${drawn.join('')}</svg>`;
};
