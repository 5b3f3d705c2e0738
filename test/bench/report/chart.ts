import type { ArmResult, WorkloadResult } from '../arm.ts';
import { median } from '../quantile.ts';
import { rateOf } from './figures.ts';

const WIDTH = 760;
const LEFT = 300;
/** For the rate and, where somebody was kept waiting, the p99. */
const RIGHT = 170;
const ROW = 30;
const TOP = 48;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
const whole = (value: number): string => Math.round(value).toLocaleString('en');

/** Bars of the medians with whiskers from the slowest to the fastest round, as an SVG that reads on light and dark pages. */
export function chart({ title, unit, arms }: WorkloadResult): string {
  const shown = arms.filter(({ samples }) => samples.length > 0).map((arm) => ({ arm, rate: rateOf(arm) }));
  const most = Math.max(...shown.map(({ rate }) => rate.max));
  const x = (value: number): number => LEFT + (value / most) * (WIDTH - LEFT - RIGHT);
  const height = TOP + shown.length * ROW + 16;
  const rows = shown.map(({ arm, rate }, row) => {
    const y = TOP + row * ROW;
    const middle = y + ROW / 2 - 3;
    const ours = arm.name.startsWith('bongsu') || arm.name === 'chained';
    return [
      `<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${escaped(short(arm.title))}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${(x(rate.median) - LEFT).toFixed(1)}" height="${ROW - 8}" fill="${ours ? '#c2410c' : '#94a3b8'}"/>`,
      `<path d="M${x(rate.min).toFixed(1)} ${middle}H${x(rate.max).toFixed(1)}M${x(rate.min).toFixed(1)} ${middle - 5}v10M${x(rate.max).toFixed(1)} ${middle - 5}v10" stroke="#1e293b" stroke-width="1.5" fill="none"/>`,
      `<text x="${(x(rate.max) + 8).toFixed(1)}" y="${middle + 4}">${whole(rate.median)}${late(arm)}</text>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}" font-family="system-ui, sans-serif" font-size="12" fill="#0f172a">
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600">${escaped(title)}</text>
<text x="16" y="40" fill="#475569">${escaped(unit)} per second: median, whiskers from the slowest to the fastest round</text>
${rows.join('\n')}
</svg>
`;
}

function late({ samples }: ArmResult): string {
  const p99 = samples.flatMap((sample) => sample.p99 ?? []);
  return p99.length < samples.length ? '' : ` · p99 ${median(p99).toFixed(1)} ms`;
}

const short = (text: string): string => (text.length > 46 ? `${text.slice(0, 45)}…` : text);
