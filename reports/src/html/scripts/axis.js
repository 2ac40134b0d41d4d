// Places on an axis of time, what they are called, and which are marked: the same rules as in axis.rs.
const STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600,
  7200, 10800, 21600, 43200, 86400, 604800,
];
const DAY = 86400;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const decimals = (step) => (step < 1 ? Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)) : 0);

// A moment of a run, as exactly as steps of this length need it: `1m 7.5s`.
const elapsed = (s, step) => {
  const places = decimals(step);
  let rest = Math.round(s * 10 ** places) / 10 ** places;
  if (rest > 0 && rest < 1) return nanos(rest * 1e9);
  const parts = [];
  for (const [unit, letter] of [[DAY, "d"], [3600, "h"], [60, "m"]]) {
    if (unit === DAY && rest < 2 * DAY) continue;
    const count = Math.floor(rest / unit + 1e-9);
    if (count > 0) parts.push(`${count}${letter}`);
    rest = Math.max(0, rest - count * unit);
  }
  const seconds = trimmed(rest.toFixed(places));
  if (seconds !== "0" || parts.length === 0) parts.push(`${seconds}s`);
  return parts.join(" ");
};

// A moment of civil time, which is UTC: the day, the time of day, or both.
const civil = (unix, step, what) => {
  const at = new Date(Math.round(unix * 1e3));
  const iso = at.toISOString();
  const day = `${DAYS[at.getUTCDay()]} ${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
  const time = step < 1 ? iso.slice(11, 23) : step < 60 ? iso.slice(11, 19) : iso.slice(11, 16);
  if (what === "both") return `${day} ${time} UTC`;
  return unix % DAY === 0 ? day : time;
};

// Marks of time between two moments, about so many, as [moment, label].
const timeTicks = (from, to, count, begins) => {
  const rough = (to - from) / count;
  const step = STEPS.find((one) => one >= rough) || rough;
  const shift = begins === null ? 0 : begins % Math.max(step, DAY);
  const ticks = [];
  for (let n = Math.ceil((from + shift) / step - 1e-9); ticks.length < 40; n += 1) {
    const at = n * step - shift;
    if (at > to + step * 1e-6) break;
    ticks.push([at, begins === null ? elapsed(at, step) : civil(begins + at, step, "one")]);
  }
  return ticks;
};

// Values for marks up to `most`: about so many of 1, 2 or 5 times a power of ten.
const valueTicks = (most, count) => {
  if (most <= 0) return [0];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((by) => by * power).find((one) => one >= rough) || rough;
  const ticks = [];
  for (let n = 0; n * step <= most * 1.0001; n += 1) ticks.push(n * step);
  return ticks;
};
