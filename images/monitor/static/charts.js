// <data-chart kind="timeline|trend|comparison" data="JSON">: a chart drawn by Chart.js, drawn anew when its data
// changes. The canvas stands in a shadow tree, so that merging an answer into the page leaves it alone.
"use strict";

const STATE_COLOURS = {
  success: "--bs-success",
  failed: "--bs-danger",
  running: "--bs-primary",
  up_for_retry: "--bs-warning",
  queued: "--bs-info",
  waiting: "--bs-gray-500",
};
const SERIES = ["#0d6efd", "#d63384", "#198754", "#fd7e14", "#6f42c1"];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const stateColour = (state) => colour(STATE_COLOURS[state] ?? "--bs-secondary");
const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 4 });

// An axis of names keeps them; numbers read as the reader's language writes them.
function names(more = {}) {
  const text = colour("--bs-secondary-color");
  return {
    ...more,
    ticks: { color: text, ...more.ticks },
    grid: { color: colour("--bs-border-color"), ...more.grid },
    title: { color: text, ...more.title },
  };
}

function numbers(more = {}) {
  return names({ ...more, ticks: { callback: (value) => number.format(value), ...more.ticks } });
}

const KINDS = {
  timeline(data) {
    const now = Date.now() / 1000 - data.started;
    const bars = (wanted) => ({
      data: data.bars
        .filter((bar) => (bar.kind === "waiting") === wanted)
        .map((bar) => ({ x: [bar.from, bar.to ?? Math.max(now, bar.from)], y: bar.task, bar })),
      backgroundColor: (context) => stateColour(context.raw?.bar.state),
      minBarLength: 2,
      grouped: false,
      barPercentage: wanted ? 0.35 : 0.8,
    });
    return {
      type: "bar",
      data: { labels: data.tasks, datasets: [bars(true), bars(false)] },
      options: {
        indexAxis: "y",
        scales: {
          x: numbers({ min: 0, title: { display: true, text: data.axis } }),
          y: names({ ticks: { autoSkip: false }, grid: { display: false } }),
        },
        plugins: {
          legend: { display: false },
          tooltip: {
            callbacks: {
              label: ({ raw }) => {
                const { from, to, label } = raw.bar;
                return `${label}: ${number.format(from)} – ${to === null ? data.now : number.format(to)} s`;
              },
            },
          },
        },
      },
    };
  },

  trend(data) {
    return {
      type: "line",
      data: {
        labels: data.labels,
        datasets: data.lines.map((line, place) => ({
          label: line.label,
          data: line.values,
          yAxisID: line.axis,
          borderDash: line.axis === "loss" ? [6, 4] : [],
          borderColor: SERIES[place],
          pointBackgroundColor: data.published.map((published) => (published ? SERIES[place] : colour("--bs-body-bg"))),
          pointRadius: 4,
          pointHitRadius: 12,
          borderWidth: 2,
          tension: 0.2,
          spanGaps: true,
        })),
      },
      options: {
        interaction: { mode: "index", intersect: false },
        onClick: (_event, points) => {
          if (points.length) location.assign(data.pages[points[0].index]);
        },
        scales: {
          x: names({ ticks: { maxRotation: 0, autoSkipPadding: 24, callback: (_value, place) => data.days[place] } }),
          gain: numbers({ grace: "5%", position: "left", title: { display: true, text: data.gain } }),
          loss: numbers({ grace: "5%", position: "right", title: { display: true, text: data.loss }, grid: { display: false } }),
        },
        plugins: {
          legend: { labels: { color: colour("--bs-body-color"), usePointStyle: true, pointStyle: "line" } },
          tooltip: {
            callbacks: {
              label: ({ dataset, parsed }) => `${dataset.label}: ${number.format(parsed.y)}`,
              footer: ([point]) => (data.published[point.dataIndex] ? "" : data.refused),
            },
          },
        },
      },
    };
  },

  comparison(data) {
    return {
      type: "bar",
      data: {
        labels: data.labels,
        datasets: data.runs.map((run, place) => ({ label: run.label, data: run.values, backgroundColor: SERIES[place] })),
      },
      options: {
        scales: { x: names(), y: numbers({ min: 0, suggestedMax: 1 }) },
        plugins: { legend: { labels: { color: colour("--bs-body-color") } } },
      },
    };
  },
};

class DataChart extends HTMLElement {
  static observedAttributes = ["data"];

  connectedCallback() {
    if (!this.shadowRoot) this.attachShadow({ mode: "open" }).append(document.createElement("canvas"));
    this.redraw = () => this.draw();
    document.addEventListener("theme", this.redraw);
    this.draw();
  }

  disconnectedCallback() {
    document.removeEventListener("theme", this.redraw);
    this.chart?.destroy();
    this.chart = null;
  }

  attributeChangedCallback() {
    if (this.shadowRoot) this.draw();
  }

  draw() {
    const data = JSON.parse(this.getAttribute("data"));
    const { type, data: content, options } = KINDS[this.getAttribute("kind")](data);
    if (data.tasks) this.style.setProperty("--lines", data.tasks.length);
    const settings = { ...options, animation: false, responsive: true, maintainAspectRatio: false };
    if (this.chart) {
      Object.assign(this.chart, { data: content, options: settings });
      this.chart.update("none");
    } else {
      this.chart = new Chart(this.shadowRoot.querySelector("canvas"), { type, data: content, options: settings });
    }
  }
}

customElements.define("data-chart", DataChart);
