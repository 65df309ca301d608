// Sort the table of results within its groups, and filter its rows.
{
  const table = document.getElementById("table");
  const bodies = [...table.tBodies];
  const rowsOf = (body) => [...body.rows].slice(1); // the first one is the group's heading

  function compare(left, right) {
    const numbers = [Number(left), Number(right)];
    if (numbers.some(Number.isNaN)) return left.localeCompare(right);
    return numbers[0] - numbers[1];
  }

  function sort(heading, column) {
    const descending = heading.ariaSort !== "descending" && column > 0;
    const down = descending || (column === 0 && heading.ariaSort === "ascending");
    for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
    heading.ariaSort = down ? "descending" : "ascending";
    for (const body of bodies) {
      const rows = rowsOf(body).sort((left, right) => {
        const [a, b] = [left, right].map((row) => row.cells[column].dataset.by);
        if (a === "" || b === "") return (a === "") - (b === ""); // unknown: always last
        return down ? compare(b, a) : compare(a, b);
      });
      body.append(...rows);
    }
  }

  function filter(words, count) {
    let shown = 0;
    let all = 0;
    for (const body of bodies) {
      const group = body.rows[0].textContent;
      let any = false;
      for (const row of rowsOf(body)) {
        const text = `${group} ${row.textContent}`.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        any ||= !row.hidden;
        shown += !row.hidden;
        all += 1;
      }
      body.hidden = !any;
    }
    count.textContent = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
  }

  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    button.title = "sort within each group";
    button.addEventListener("click", () => sort(heading, column));
    heading.append(button);
  });

  const tools = document.createElement("div");
  const input = document.createElement("input");
  const count = document.createElement("output");
  tools.className = "tools";
  input.type = "search";
  input.id = "filter";
  input.placeholder = "filter: method, data, 5-shot ...";
  input.setAttribute("aria-label", "Filter the rows of the table");
  input.addEventListener("input", () => {
    filter(input.value.toLowerCase().split(/\s+/).filter(Boolean), count);
  });
  tools.append(input, count);
  table.parentElement.before(tools);
  filter([], count);
}
