"use strict";
// Shows the values under the pointer. The page is complete without it.
for (const plot of document.querySelectorAll(".plot")) {
  const { last, curves } = JSON.parse(plot.querySelector("script").textContent);
  const rule = plot.querySelector(".rule");
  const tip = plot.querySelector(".tip");
  const number = (y) =>
    y !== 0 && Math.abs(y) < 0.01 ? y.toExponential(2)
      : Math.abs(y) >= 1000 ? Math.round(y).toLocaleString("en") : y.toPrecision(4);
  const nearest = (points, x) => {
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] <= x) low = middle; else high = middle;
    }
    return x - points[low][0] <= points[high][0] - x ? points[low] : points[high];
  };
  const drawn = curves.filter((curve) => curve.points.length > 0);
  plot.addEventListener("pointermove", (event) => {
    if (drawn.length === 0) return;
    const box = plot.getBoundingClientRect();
    const x = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * last;
    const step = nearest(drawn[0].points, x)[0];
    const lines = drawn.map((curve) => {
      const [at, y] = nearest(curve.points, step);
      return `${curve.name}: ${number(y)}${at === step ? "" : ` (step ${at.toLocaleString("en")})`}`;
    });
    tip.textContent = [`Step ${step.toLocaleString("en")}`, ...lines].join("\n");
    tip.hidden = rule.hidden = false;
    rule.style.left = `${(100 * step) / last}%`;
    const onTheRight = step > last / 2;
    tip.style.left = onTheRight ? "auto" : `calc(${(100 * step) / last}% + 12px)`;
    tip.style.right = onTheRight ? `calc(${100 - (100 * step) / last}% + 12px)` : "auto";
  });
  plot.addEventListener("pointerleave", () => { tip.hidden = rule.hidden = true; });
}
