// Two methods task by task: each point is a pair of accuracies, as large as it has tasks.

function pairsOf(group, across, up) {
  const pairs = new Map();
  const [first, second] = [group.accuracy[across], group.accuracy[up]];
  group.tasks.forEach((task, row) => {
    if (first[row] === null || second[row] === null) return;
    const key = `${first[row]} ${second[row]}`;
    const pair = pairs.get(key) ?? { x: first[row], y: second[row], tasks: [] };
    pair.tasks.push(task);
    pairs.set(key, pair);
  });
  return [...pairs.values()];
}

function pairedTrace(pairs, across, up) {
  const look = lookOf.get(up);
  const words = pairs.map(({ x, y, tasks }) => {
    const some = tasks.slice(0, 8).join(", ") + (tasks.length > 8 ? ", ..." : "");
    const noun = tasks.length === 1 ? "task" : "tasks";
    return plain(`${across}: ${x.toFixed(1)}%\n${up}: ${y.toFixed(1)}%\n` +
      `${tasks.length} ${noun}: ${some}`);
  });
  return {
    x: pairs.map((pair) => pair.x), y: pairs.map((pair) => pair.y), mode: "markers",
    text: words, hovertemplate: "%{text}<extra></extra>", showlegend: false,
    marker: { color: colourOf(look), opacity: 0.55, line: { width: 0 },
      size: pairs.map((pair) => 5 * Math.sqrt(pair.tasks.length) + 2) },
  };
}

function pairedWords(group, pairs, across, up) {
  const count = (holds) =>
    pairs.filter(holds).reduce((sum, pair) => sum + pair.tasks.length, 0).toLocaleString("en");
  const shownTasks = group.tasks.length.toLocaleString("en");
  const which = group.tasks.length < group.of
    ? `In the first ${shownTasks} of ${group.of.toLocaleString("en")} tasks`
    : `In ${shownTasks} tasks`;
  return `${which}, ${up} is better than ${across} in ${count(({ x, y }) => y > x)}, ` +
    `worse in ${count(({ x, y }) => y < x)} and equal in ${count(({ x, y }) => x === y)}.`;
}

function paired() {
  const place = document.getElementById("paired");
  if (!place) return;
  const choice = (label, names, start) => {
    const select = element("select", {}, ...names.map((name, number) =>
      element("option", { value: number, textContent: name })));
    select.value = start;
    select.setAttribute("aria-label", label);
    return select;
  };
  const titles = page.paired.map((group) => group.title);
  const condition = choice("Tasks", titles, 0);
  const methods = () => Object.keys(page.paired[condition.value].accuracy);
  let [across, up] = [choice("Across", methods(), 0), choice("Up", methods(), 1)];
  const words = element("p", { className: "note" });
  const target = element("div", { className: "chart" });
  const tools = element("div", { className: "tools" });
  const whole = card("", target);
  whole.style.maxWidth = "40rem";
  place.append(tools, whole, words);

  function update() {
    const group = page.paired[condition.value];
    const names = [methods()[across.value], methods()[up.value]];
    const pairs = pairsOf(group, ...names);
    whole.firstChild.textContent = group.title;
    words.textContent = pairedWords(group, pairs, ...names);
    const all = pairs.flatMap(({ x, y }) => [x, y]);
    const margin = 0.06 * (Math.max(...all) - Math.min(...all)) || 1;
    const range = [Math.min(...all) - margin, Math.max(...all) + margin];
    const titled = (name) => ({ title: `${name}, %`, range });
    const chart = { x: titled(names[0]), y: titled(names[1]), height: 480 };
    const equal = { kind: "reference", method: null, x: range, y: range };
    const layout = layoutOf(chart, new Set());
    Plotly.react(target, [...traces(equal), pairedTrace(pairs, ...names)], layout, config);
  }

  function arrange() {
    tools.replaceChildren(
      element("label", {}, "tasks: ", condition), element("label", {}, "across: ", across),
      element("label", {}, "up: ", up));
    for (const select of [across, up]) select.addEventListener("change", update);
  }

  condition.addEventListener("change", () => {
    [across, up] = [choice("Across", methods(), 0), choice("Up", methods(), 1)];
    arrange();
    update();
  });
  arrange();
  register(target, update);
}

start();
