// The wall: hands each part of a state to the module that draws it.

import { drawAlarms, startAlarms } from "./alarms.js";
import { drawArrivals } from "./arrivals.js";
import { byId } from "./dom.js";
import { startFind } from "./find.js";
import { drawFleet, startFleet } from "./fleet.js";
import { drawGates } from "./gates.js";
import { drawIngest } from "./ingest.js";
import { markAge, startPage } from "./page.js";
import { drawDoubles, drawRefused } from "./refused.js";
import { drawZones } from "./zones.js";

// Ages above which a part is marked as old, in seconds: some three times the rate at which the center counts it.
const FAST_S = 5;
const FLEET_S = 8;
const SLOW_S = 35;

const stream = startPage((state) => {
  const slack = (state.period_ms ?? 1000) / 1000;
  const parts = [
    ["zones", state.zones, FAST_S, drawZones],
    ["gates", state.gates, FAST_S, drawGates],
    ["arrivals", state.arrivals, SLOW_S, drawArrivals],
    ["refused", state.refused, SLOW_S, drawRefused],
    ["doubles", state.doubles, SLOW_S, drawDoubles],
    ["fleet", state.fleet, FLEET_S, drawFleet],
    ["ingest", state.ingest, FLEET_S, drawIngest],
  ];
  for (const [id, part, limitS, draw] of parts) {
    markAge(byId(id), part, state, limitS + slack);
    draw(part ?? {}, state);
  }
  drawAlarms(state);
});

startAlarms(stream);
startFleet();
startFind();

byId("full-screen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {});
});
