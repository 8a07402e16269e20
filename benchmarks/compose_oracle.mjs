// Times npm mjml as everybody calls it, inside one warm process: node compose_oracle.mjs FILE SECONDS
// Prints {"best": milliseconds, "median": milliseconds, "renders": count}.
import { readFileSync } from "node:fs";
import mjml2html from "mjml";

const [file, seconds] = process.argv.slice(2);
const source = readFileSync(file, "utf8");
const render = () => mjml2html(source);

for (let warming = 0; warming < 20; warming += 1) await render();
const times = [];
const end = performance.now() + Number(seconds) * 1000;
do {
  const start = performance.now();
  await render();
  times.push(performance.now() - start);
} while (performance.now() < end);
times.sort((one, other) => one - other);
console.log(JSON.stringify({ best: times[0], median: times[times.length >> 1], renders: times.length }));
