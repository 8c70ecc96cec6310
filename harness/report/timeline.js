// The figure is the same everywhere; where labels stand depends on the width, and a finger must be able to scroll.
(() => {
  const plot = document.getElementById("timeline");
  const figure = JSON.parse(document.getElementById("figure").textContent);
  const narrow = matchMedia("(max-width: 46rem)");
  const hidden = new Set();
  const label = (note) => {
    const title = note.name === "title";
    if (!title && !(note.name || "").startsWith("lane ")) return note;
    if (narrow.matches) return { ...note, xanchor: "left", xshift: 3, yshift: title ? 0 : 13, font: { size: title ? 11 : 10 } };
    if (title) return { ...note, xanchor: "left", xshift: -figure.layout.margin.l, font: { size: 12 } };
    return { ...note, xanchor: "right", xshift: -6 };
  };
  const layout = () => {
    const given = structuredClone(figure.layout);
    given.annotations = given.annotations.map(label);
    given.dragmode = narrow.matches ? false : "zoom";
    if (!narrow.matches) return given;
    given.height = Math.round(1.5 * given.height);
    given.margin = { ...given.margin, l: 34, r: 6 };
    return given;
  };
  const draw = () => Plotly.react(plot, figure.data, layout(), { displayModeBar: false, responsive: true });
  const zoom = (range) => Plotly.relayout(plot, { "xaxis.range": range });
  const toggle = ({ annotation }) => {
    const name = annotation.name.slice("lane ".length);
    hidden.has(name) ? hidden.delete(name) : hidden.add(name);
    const places = figure.data.flatMap((trace, place) => (trace.legendgroup === name ? [place] : []));
    if (places.length) Plotly.restyle(plot, { visible: !hidden.has(name) }, places);
  };
  draw().then(() => {
    plot.on("plotly_clickannotation", toggle);
    plot.dataset.drawn = "yes";
  });
  narrow.addEventListener("change", draw);
  for (const button of document.querySelectorAll("button[data-range]")) {
    button.addEventListener("click", () => zoom(JSON.parse(button.dataset.range)));
  }
})();
