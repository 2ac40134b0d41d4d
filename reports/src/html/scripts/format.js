// Numbers as people read them: the same rules as in format.rs.
const trimmed = (text) => {
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return short === "-0" ? "0" : short;
};
const significant = (value) => {
  if (value === 0 || !Number.isFinite(value)) return value === 0 ? "0" : "-";
  const size = Math.abs(value);
  if (size < 1e-9 || size >= 1e15) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${trimmed(digits)}e${Number(power)}`;
  }
  let decimals = 2;
  for (let bound = 10; decimals > 0 && size >= bound - 0.5 / 10 ** decimals; bound *= 10) decimals -= 1;
  for (let bound = 1; decimals < 9 && size < bound; bound /= 10) decimals += 1;
  return trimmed(value.toFixed(decimals));
};
const number = (value) => {
  const size = Math.abs(value);
  return size >= 999.5 && size < 1e15 ? Math.round(value).toLocaleString("en-US") : significant(value);
};
const pair = (count, base, large, small) => {
  const rest = count % base;
  return `${Math.floor(count / base)}${large}${rest ? ` ${rest}${small}` : ""}`;
};
const nanos = (ns) => {
  if (ns < 0) return `-${nanos(-ns)}`;
  if (ns < 0.5) return "0s";
  if (ns < 999.5) return `${significant(ns)}ns`;
  if (ns < 999.5e3) return `${significant(ns / 1e3)}us`;
  if (ns < 999.5e6) return `${significant(ns / 1e6)}ms`;
  if (ns < 59.95e9) return `${significant(ns / 1e9)}s`;
  if (ns < 3599.5e9) return pair(Math.round(ns / 1e9), 60, "m", "s");
  if (ns < 172770e9) return pair(Math.round(ns / 60e9), 60, "h", "m");
  return pair(Math.round(ns / 3600e9), 24, "d", "h");
};
const share = (value) => {
  const percent = value * 100;
  if (value > 0 && percent < 0.001) return "<0.001 %";
  if (percent >= 99.95 && percent < 100) return `${trimmed((Math.floor(percent * 1e3) / 1e3).toFixed(3))} %`;
  return `${significant(percent)} %`;
};
const SHOWN = { rate: number, number, ns: nanos, share };
