--
-- PostgreSQL database dump
--

-- Dumped from database version 16.2
-- Dumped by pg_dump version 16.2

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: ressearch; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA ressearch;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alembic_version; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: TABLE alembic_version; Type: COMMENT; Schema: ressearch; Owner: -
--

COMMENT ON TABLE ressearch.alembic_version IS 'results store of ressearch';


--
-- Name: architectures; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.architectures (
    id character varying NOT NULL,
    graph character varying NOT NULL,
    macs bigint NOT NULL,
    params bigint NOT NULL,
    activations bigint NOT NULL,
    peak bigint NOT NULL,
    depth bigint NOT NULL,
    nesting bigint NOT NULL,
    skips bigint NOT NULL,
    shortest_path bigint NOT NULL,
    longest_path bigint NOT NULL,
    mean_path double precision NOT NULL,
    log10_paths double precision NOT NULL,
    receptive_field bigint NOT NULL,
    CONSTRAINT activations_is_sensible CHECK (((activations >= 0) AND (activations <= '9223372036854775807'::bigint))),
    CONSTRAINT depth_is_sensible CHECK (((depth >= 0) AND (depth <= '9223372036854775807'::bigint))),
    CONSTRAINT log10_paths_is_sensible CHECK (((log10_paths >= (0)::double precision) AND (log10_paths <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT longest_path_is_sensible CHECK ((longest_path >= shortest_path)),
    CONSTRAINT macs_is_sensible CHECK (((macs >= 0) AND (macs <= '9223372036854775807'::bigint))),
    CONSTRAINT mean_path_is_sensible CHECK (((mean_path >= (shortest_path)::double precision) AND (mean_path <= (longest_path)::double precision))),
    CONSTRAINT nesting_is_sensible CHECK (((nesting >= 0) AND (nesting <= '9223372036854775807'::bigint))),
    CONSTRAINT params_is_sensible CHECK (((params >= 0) AND (params <= '9223372036854775807'::bigint))),
    CONSTRAINT peak_is_sensible CHECK (((peak >= 0) AND (peak <= '9223372036854775807'::bigint))),
    CONSTRAINT receptive_field_is_sensible CHECK (((receptive_field >= 0) AND (receptive_field <= '9223372036854775807'::bigint))),
    CONSTRAINT shortest_path_is_sensible CHECK (((shortest_path >= 0) AND (shortest_path <= '9223372036854775807'::bigint))),
    CONSTRAINT skips_is_sensible CHECK (((skips >= 0) AND (skips <= '9223372036854775807'::bigint)))
);


--
-- Name: block_kinds; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.block_kinds (
    architecture_id character varying NOT NULL,
    kind character varying NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT count_is_sensible CHECK (((count >= 1) AND (count <= '9223372036854775807'::bigint)))
);


--
-- Name: latencies; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.latencies (
    id integer NOT NULL,
    architecture_id character varying NOT NULL,
    device character varying NOT NULL,
    "precision" character varying NOT NULL,
    batch bigint NOT NULL,
    threads bigint NOT NULL,
    repeats bigint NOT NULL,
    median_seconds double precision NOT NULL,
    low_seconds double precision NOT NULL,
    high_seconds double precision NOT NULL,
    created double precision NOT NULL,
    CONSTRAINT batch_is_sensible CHECK (((batch >= 1) AND (batch <= '9223372036854775807'::bigint))),
    CONSTRAINT high_seconds_is_sensible CHECK (((high_seconds >= median_seconds) AND (high_seconds <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT low_seconds_is_sensible CHECK (((low_seconds > (0)::double precision) AND (low_seconds <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT median_seconds_is_sensible CHECK ((median_seconds >= low_seconds)),
    CONSTRAINT precision_is_sensible CHECK ((("precision")::text = ANY ((ARRAY['fp32'::character varying, 'bf16'::character varying])::text[]))),
    CONSTRAINT repeats_is_sensible CHECK (((repeats >= 1) AND (repeats <= '9223372036854775807'::bigint))),
    CONSTRAINT threads_is_sensible CHECK (((threads >= 0) AND (threads <= '9223372036854775807'::bigint)))
);


--
-- Name: latencies_id_seq; Type: SEQUENCE; Schema: ressearch; Owner: -
--

CREATE SEQUENCE ressearch.latencies_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: latencies_id_seq; Type: SEQUENCE OWNED BY; Schema: ressearch; Owner: -
--

ALTER SEQUENCE ressearch.latencies_id_seq OWNED BY ressearch.latencies.id;


--
-- Name: measurements; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.measurements (
    id integer NOT NULL,
    architecture_id character varying NOT NULL,
    recipe_digest character varying NOT NULL,
    epochs bigint NOT NULL,
    data_fraction double precision NOT NULL,
    resolution double precision NOT NULL,
    schedule bigint NOT NULL,
    seed bigint NOT NULL,
    accuracy double precision NOT NULL,
    loss double precision,
    train_loss double precision,
    seconds double precision NOT NULL,
    cpu_seconds double precision NOT NULL,
    images_per_second double precision,
    flops double precision,
    peak_memory bigint NOT NULL,
    device character varying NOT NULL,
    "precision" character varying,
    created double precision NOT NULL,
    CONSTRAINT accuracy_is_sensible CHECK (((accuracy >= (0)::double precision) AND (accuracy <= (1)::double precision))),
    CONSTRAINT cpu_seconds_is_sensible CHECK (((cpu_seconds >= (0)::double precision) AND (cpu_seconds <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT data_fraction_is_sensible CHECK (((data_fraction > (0)::double precision) AND (data_fraction <= (1)::double precision))),
    CONSTRAINT epochs_is_sensible CHECK (((epochs >= 1) AND (epochs <= '9223372036854775807'::bigint))),
    CONSTRAINT flops_is_sensible CHECK (((flops >= (0)::double precision) AND (flops <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT images_per_second_is_sensible CHECK (((images_per_second >= (0)::double precision) AND (images_per_second <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT loss_is_sensible CHECK (((loss >= ('-179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision) AND (loss <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT peak_memory_is_sensible CHECK (((peak_memory >= 0) AND (peak_memory <= '9223372036854775807'::bigint))),
    CONSTRAINT precision_is_sensible CHECK ((("precision")::text = ANY ((ARRAY['fp32'::character varying, 'bf16'::character varying])::text[]))),
    CONSTRAINT resolution_is_sensible CHECK (((resolution > (0)::double precision) AND (resolution <= (1)::double precision))),
    CONSTRAINT schedule_is_sensible CHECK (((schedule >= epochs) AND (schedule <= '9223372036854775807'::bigint))),
    CONSTRAINT seconds_is_sensible CHECK (((seconds >= (0)::double precision) AND (seconds <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT seed_is_sensible CHECK (((seed >= 0) AND (seed <= '9223372036854775807'::bigint))),
    CONSTRAINT train_loss_is_sensible CHECK (((train_loss >= ('-179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision) AND (train_loss <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision)))
);


--
-- Name: measurements_id_seq; Type: SEQUENCE; Schema: ressearch; Owner: -
--

CREATE SEQUENCE ressearch.measurements_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: measurements_id_seq; Type: SEQUENCE OWNED BY; Schema: ressearch; Owner: -
--

ALTER SEQUENCE ressearch.measurements_id_seq OWNED BY ressearch.measurements.id;


--
-- Name: recipes; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.recipes (
    digest character varying NOT NULL,
    data_checksum character varying,
    evaluator character varying NOT NULL,
    batch_size bigint,
    lr double precision,
    momentum double precision,
    weight_decay double precision,
    label_smoothing double precision,
    warmup double precision,
    decoupled boolean,
    crop bigint,
    flip boolean,
    cutout bigint,
    ema double precision,
    amp boolean,
    CONSTRAINT batch_size_is_sensible CHECK (((batch_size >= 2) AND (batch_size <= '9223372036854775807'::bigint))),
    CONSTRAINT crop_is_sensible CHECK (((crop >= 0) AND (crop <= '9223372036854775807'::bigint))),
    CONSTRAINT cutout_is_sensible CHECK (((cutout >= 0) AND (cutout <= '9223372036854775807'::bigint))),
    CONSTRAINT ema_is_sensible CHECK (((ema >= (0)::double precision) AND (ema < (1)::double precision))),
    CONSTRAINT known_as_a_whole CHECK ((((data_checksum IS NULL) AND (batch_size IS NULL) AND (lr IS NULL) AND (momentum IS NULL) AND (weight_decay IS NULL) AND (label_smoothing IS NULL) AND (warmup IS NULL) AND (decoupled IS NULL) AND (crop IS NULL) AND (flip IS NULL) AND (cutout IS NULL) AND (ema IS NULL) AND (amp IS NULL)) OR ((data_checksum IS NOT NULL) AND (batch_size IS NOT NULL) AND (lr IS NOT NULL) AND (momentum IS NOT NULL) AND (weight_decay IS NOT NULL) AND (label_smoothing IS NOT NULL) AND (warmup IS NOT NULL) AND (decoupled IS NOT NULL) AND (crop IS NOT NULL) AND (flip IS NOT NULL) AND (cutout IS NOT NULL) AND (ema IS NOT NULL) AND (amp IS NOT NULL)))),
    CONSTRAINT label_smoothing_is_sensible CHECK (((label_smoothing >= (0)::double precision) AND (label_smoothing < (1)::double precision))),
    CONSTRAINT lr_is_sensible CHECK (((lr > (0)::double precision) AND (lr <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT momentum_is_sensible CHECK (((momentum >= (0)::double precision) AND (momentum < (1)::double precision))),
    CONSTRAINT warmup_is_sensible CHECK (((warmup >= (0)::double precision) AND (warmup < (1)::double precision))),
    CONSTRAINT weight_decay_is_sensible CHECK (((weight_decay >= (0)::double precision) AND (weight_decay <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision)))
);


--
-- Name: retrainings; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.retrainings (
    id integer NOT NULL,
    architecture_id character varying NOT NULL,
    recipe_digest character varying NOT NULL,
    epochs bigint NOT NULL,
    data_fraction double precision NOT NULL,
    resolution double precision NOT NULL,
    schedule bigint NOT NULL,
    seed bigint NOT NULL,
    accuracy double precision NOT NULL,
    loss double precision,
    train_loss double precision,
    seconds double precision NOT NULL,
    cpu_seconds double precision NOT NULL,
    images_per_second double precision,
    flops double precision,
    peak_memory bigint NOT NULL,
    device character varying NOT NULL,
    "precision" character varying,
    created double precision NOT NULL,
    CONSTRAINT accuracy_is_sensible CHECK (((accuracy >= (0)::double precision) AND (accuracy <= (1)::double precision))),
    CONSTRAINT cpu_seconds_is_sensible CHECK (((cpu_seconds >= (0)::double precision) AND (cpu_seconds <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT data_fraction_is_sensible CHECK (((data_fraction > (0)::double precision) AND (data_fraction <= (1)::double precision))),
    CONSTRAINT epochs_is_sensible CHECK (((epochs >= 1) AND (epochs <= '9223372036854775807'::bigint))),
    CONSTRAINT flops_is_sensible CHECK (((flops >= (0)::double precision) AND (flops <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT images_per_second_is_sensible CHECK (((images_per_second >= (0)::double precision) AND (images_per_second <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT loss_is_sensible CHECK (((loss >= ('-179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision) AND (loss <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT peak_memory_is_sensible CHECK (((peak_memory >= 0) AND (peak_memory <= '9223372036854775807'::bigint))),
    CONSTRAINT precision_is_sensible CHECK ((("precision")::text = ANY ((ARRAY['fp32'::character varying, 'bf16'::character varying])::text[]))),
    CONSTRAINT resolution_is_sensible CHECK (((resolution > (0)::double precision) AND (resolution <= (1)::double precision))),
    CONSTRAINT schedule_is_sensible CHECK (((schedule >= epochs) AND (schedule <= '9223372036854775807'::bigint))),
    CONSTRAINT seconds_is_sensible CHECK (((seconds >= (0)::double precision) AND (seconds <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision))),
    CONSTRAINT seed_is_sensible CHECK (((seed >= 0) AND (seed <= '9223372036854775807'::bigint))),
    CONSTRAINT train_loss_is_sensible CHECK (((train_loss >= ('-179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision) AND (train_loss <= ('179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'::numeric)::double precision)))
);


--
-- Name: retrainings_id_seq; Type: SEQUENCE; Schema: ressearch; Owner: -
--

CREATE SEQUENCE ressearch.retrainings_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: retrainings_id_seq; Type: SEQUENCE OWNED BY; Schema: ressearch; Owner: -
--

ALTER SEQUENCE ressearch.retrainings_id_seq OWNED BY ressearch.retrainings.id;


--
-- Name: studies; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.studies (
    id integer NOT NULL,
    name character varying NOT NULL,
    space_name character varying NOT NULL,
    space_text character varying NOT NULL,
    space_digest character varying NOT NULL,
    data_source character varying NOT NULL,
    recipe_digest character varying NOT NULL,
    epochs bigint NOT NULL,
    data_fraction double precision NOT NULL,
    resolution double precision NOT NULL,
    schedule bigint NOT NULL,
    seed bigint NOT NULL,
    versions character varying NOT NULL,
    commit character varying,
    created double precision NOT NULL,
    CONSTRAINT data_fraction_is_sensible CHECK (((data_fraction > (0)::double precision) AND (data_fraction <= (1)::double precision))),
    CONSTRAINT epochs_is_sensible CHECK (((epochs >= 1) AND (epochs <= '9223372036854775807'::bigint))),
    CONSTRAINT resolution_is_sensible CHECK (((resolution > (0)::double precision) AND (resolution <= (1)::double precision))),
    CONSTRAINT schedule_is_sensible CHECK (((schedule >= epochs) AND (schedule <= '9223372036854775807'::bigint))),
    CONSTRAINT seed_is_sensible CHECK (((seed >= 0) AND (seed <= '9223372036854775807'::bigint)))
);


--
-- Name: studies_id_seq; Type: SEQUENCE; Schema: ressearch; Owner: -
--

CREATE SEQUENCE ressearch.studies_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: studies_id_seq; Type: SEQUENCE OWNED BY; Schema: ressearch; Owner: -
--

ALTER SEQUENCE ressearch.studies_id_seq OWNED BY ressearch.studies.id;


--
-- Name: trials; Type: TABLE; Schema: ressearch; Owner: -
--

CREATE TABLE ressearch.trials (
    id integer NOT NULL,
    study_id integer NOT NULL,
    number bigint NOT NULL,
    architecture_id character varying NOT NULL,
    decisions character varying NOT NULL,
    seed bigint NOT NULL,
    origin character varying NOT NULL,
    baseline character varying,
    state character varying NOT NULL,
    measurement_id integer,
    error character varying,
    failure character varying,
    reused boolean NOT NULL,
    started double precision NOT NULL,
    finished double precision,
    CONSTRAINT baseline_is_named CHECK ((((origin)::text = 'baseline'::text) = (baseline IS NOT NULL))),
    CONSTRAINT failure_is_known CHECK (((failure)::text = ANY ((ARRAY['diverged'::character varying, 'out of memory'::character varying, 'time limit'::character varying, 'worker died'::character varying, 'error'::character varying])::text[]))),
    CONSTRAINT failure_is_named CHECK ((((state)::text = 'failed'::text) = (failure IS NOT NULL))),
    CONSTRAINT finished_is_timed CHECK ((((state)::text = 'running'::text) = (finished IS NULL))),
    CONSTRAINT number_is_sensible CHECK (((number >= 0) AND (number <= '9223372036854775807'::bigint))),
    CONSTRAINT origin_is_known CHECK (((origin)::text = ANY ((ARRAY['baseline'::character varying, 'proposed'::character varying])::text[]))),
    CONSTRAINT reused_is_complete CHECK ((((state)::text = 'complete'::text) OR (NOT reused))),
    CONSTRAINT seed_is_sensible CHECK (((seed >= 0) AND (seed <= '9223372036854775807'::bigint))),
    CONSTRAINT state_is_consistent CHECK (((((state)::text = 'running'::text) AND (measurement_id IS NULL) AND (error IS NULL)) OR (((state)::text = 'complete'::text) AND (measurement_id IS NOT NULL) AND (error IS NULL)) OR (((state)::text = 'failed'::text) AND (measurement_id IS NULL) AND (error IS NOT NULL))))
);


--
-- Name: trials_id_seq; Type: SEQUENCE; Schema: ressearch; Owner: -
--

CREATE SEQUENCE ressearch.trials_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: trials_id_seq; Type: SEQUENCE OWNED BY; Schema: ressearch; Owner: -
--

ALTER SEQUENCE ressearch.trials_id_seq OWNED BY ressearch.trials.id;


--
-- Name: latencies id; Type: DEFAULT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.latencies ALTER COLUMN id SET DEFAULT nextval('ressearch.latencies_id_seq'::regclass);


--
-- Name: measurements id; Type: DEFAULT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.measurements ALTER COLUMN id SET DEFAULT nextval('ressearch.measurements_id_seq'::regclass);


--
-- Name: retrainings id; Type: DEFAULT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.retrainings ALTER COLUMN id SET DEFAULT nextval('ressearch.retrainings_id_seq'::regclass);


--
-- Name: studies id; Type: DEFAULT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.studies ALTER COLUMN id SET DEFAULT nextval('ressearch.studies_id_seq'::regclass);


--
-- Name: trials id; Type: DEFAULT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.trials ALTER COLUMN id SET DEFAULT nextval('ressearch.trials_id_seq'::regclass);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.alembic_version VALUES ('0002');


--
-- Data for Name: architectures; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.architectures VALUES ('83e1932538984ddf', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.conv","op":"conv","width":4,"kernel":3,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.basic.basic.body.0.conv"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.basic.basic.body.0.norm"]},{"name":"stages.0.block.0.cell.basic.basic.body.1.conv","op":"conv","width":4,"kernel":3,"inputs":["stages.0.block.0.cell.basic.basic.body.0.act"]},{"name":"stages.0.block.0.cell.basic.basic.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.basic.basic.body.1.conv"]},{"name":"stages.0.block.0.cell.basic.basic.add","op":"add","inputs":["stages.0.block.0.cell.basic.basic.body.1.norm","stem.act"]},{"name":"stages.0.block.0.cell.basic.basic.act","op":"activation","inputs":["stages.0.block.0.cell.basic.basic.add"]},{"name":"stages.1.block.0.cell.basic.basic.body.0.conv","op":"conv","width":8,"kernel":3,"stride":2,"inputs":["stages.0.block.0.cell.basic.basic.act"]},{"name":"stages.1.block.0.cell.basic.basic.body.0.norm","op":"norm","inputs":["stages.1.block.0.cell.basic.basic.body.0.conv"]},{"name":"stages.1.block.0.cell.basic.basic.body.0.act","op":"activation","inputs":["stages.1.block.0.cell.basic.basic.body.0.norm"]},{"name":"stages.1.block.0.cell.basic.basic.body.1.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.1.block.0.cell.basic.basic.body.0.act"]},{"name":"stages.1.block.0.cell.basic.basic.body.1.norm","op":"norm","inputs":["stages.1.block.0.cell.basic.basic.body.1.conv"]},{"name":"stages.1.block.0.cell.basic.basic.shortcut.conv","op":"conv","width":8,"kernel":1,"stride":2,"inputs":["stages.0.block.0.cell.basic.basic.act"]},{"name":"stages.1.block.0.cell.basic.basic.shortcut.norm","op":"norm","inputs":["stages.1.block.0.cell.basic.basic.shortcut.conv"]},{"name":"stages.1.block.0.cell.basic.basic.add","op":"add","inputs":["stages.1.block.0.cell.basic.basic.body.1.norm","stages.1.block.0.cell.basic.basic.shortcut.norm"]},{"name":"stages.1.block.0.cell.basic.basic.act","op":"activation","inputs":["stages.1.block.0.cell.basic.basic.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.1.block.0.cell.basic.basic.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 35152, 1382, 1162, 768, 6, 1, 2, 3, 6, 4.5, 0.6020599913279624, 13);
INSERT INTO ressearch.architectures VALUES ('96e6d3330c142974', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.conv","op":"conv","width":4,"kernel":3,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.basic.basic.body.0.conv"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.basic.basic.body.0.norm"]},{"name":"stages.0.block.0.cell.basic.basic.body.1.conv","op":"conv","width":4,"kernel":3,"inputs":["stages.0.block.0.cell.basic.basic.body.0.act"]},{"name":"stages.0.block.0.cell.basic.basic.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.basic.basic.body.1.conv"]},{"name":"stages.0.block.0.cell.basic.basic.add","op":"add","inputs":["stages.0.block.0.cell.basic.basic.body.1.norm","stem.act"]},{"name":"stages.0.block.0.cell.basic.basic.act","op":"activation","inputs":["stages.0.block.0.cell.basic.basic.add"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":1,"kernel":1,"inputs":["stages.0.block.0.cell.basic.basic.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":1,"kernel":3,"inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":4,"kernel":1,"inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.2.norm","stages.0.block.0.cell.basic.basic.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 21864, 427, 1162, 768, 7, 1, 2, 2, 7, 4.5, 0.6020599913279624, 9);
INSERT INTO ressearch.architectures VALUES ('bebfbf801c586641', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":1,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":1,"kernel":3,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":4,"kernel":1,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.add"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":2,"kernel":1,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":2,"kernel":3,"stride":2,"inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":8,"kernel":1,"inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.shortcut.conv","op":"conv","width":8,"kernel":1,"stride":2,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.shortcut.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.shortcut.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.2.norm","stages.1.block.0.cell.bottleneck.bottleneck.shortcut.norm"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 5328, 295, 1066, 768, 8, 1, 2, 3, 8, 5.5, 0.6020599913279624, 7);
INSERT INTO ressearch.architectures VALUES ('c87c6135cc76224f', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.conv","op":"conv","width":8,"kernel":3,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.basic.basic.body.0.conv"]},{"name":"stages.0.block.0.cell.basic.basic.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.basic.basic.body.0.norm"]},{"name":"stages.0.block.0.cell.basic.basic.body.1.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.0.cell.basic.basic.body.0.act"]},{"name":"stages.0.block.0.cell.basic.basic.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.basic.basic.body.1.conv"]},{"name":"stages.0.block.0.cell.basic.basic.shortcut.conv","op":"conv","width":8,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.basic.basic.shortcut.norm","op":"norm","inputs":["stages.0.block.0.cell.basic.basic.shortcut.conv"]},{"name":"stages.0.block.0.cell.basic.basic.add","op":"add","inputs":["stages.0.block.0.cell.basic.basic.body.1.norm","stages.0.block.0.cell.basic.basic.shortcut.norm"]},{"name":"stages.0.block.0.cell.basic.basic.act","op":"activation","inputs":["stages.0.block.0.cell.basic.basic.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.0.block.0.cell.basic.basic.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 59728, 1078, 1802, 1536, 4, 1, 1, 3, 4, 3.5, 0.3010299956639812, 7);
INSERT INTO ressearch.architectures VALUES ('02f7fa3d050472c9', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.body.0.conv","op":"conv","width":8,"kernel":3,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.body.0.conv"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.body.0.norm"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.body.1.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.body.0.act"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.body.1.conv"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.shortcut.conv","op":"conv","width":8,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.shortcut.norm","op":"norm","inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.shortcut.conv"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.add","op":"add","inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.body.1.norm","stages.0.block.0.cell.nested.nested.body.0.basic.shortcut.norm"]},{"name":"stages.0.block.0.cell.nested.nested.body.0.basic.act","op":"activation","inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.add"]},{"name":"stages.0.block.0.cell.nested.nested.body.1.basic.body.0.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.0.cell.nested.nested.body.0.basic.act"]},{"name":"stages.0.block.0.cell.nested.nested.body.1.basic.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.nested.nested.body.1.basic.body.0.conv"]},{"name":"stages.0.block.0.cell.nested.nested.body.1.basic.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.nested.nested.body.1.basic.body.0.norm"]},{"name":"stages.0.block.0.cell.nested.nested.body.1.basic.body.1.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.0.cell.nested.nested.body.1.basic.body.0.act"]},{"name":"stages.0.block.0.cell.nested.nested.body.1.basic.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.nested.nested.body.1.basic.body.1.conv"]},{"name":"stages.0.block.0.cell.nested.nested.body.1.basic.add","op":"add","inputs":["stages.0.block.0.cell.nested.nested.body.1.basic.body.1.norm","stages.0.block.0.cell.nested.nested.body.0.basic.act"]},{"name":"stages.0.block.0.cell.nested.nested.shortcut.conv","op":"conv","width":8,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.nested.nested.shortcut.norm","op":"norm","inputs":["stages.0.block.0.cell.nested.nested.shortcut.conv"]},{"name":"stages.0.block.0.cell.nested.nested.add","op":"add","inputs":["stages.0.block.0.cell.nested.nested.body.1.basic.add","stages.0.block.0.cell.nested.nested.shortcut.norm"]},{"name":"stages.0.block.0.cell.nested.nested.act","op":"activation","inputs":["stages.0.block.0.cell.nested.nested.add"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":4,"kernel":1,"inputs":["stages.0.block.0.cell.nested.nested.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":4,"kernel":3,"stride":2,"inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":16,"kernel":1,"inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.shortcut.conv","op":"conv","width":16,"kernel":1,"stride":2,"inputs":["stages.0.block.0.cell.nested.nested.act"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.shortcut.norm","op":"norm","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.shortcut.conv"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.body.2.norm","stages.1.block.0.cell.bottleneck.bottleneck.shortcut.norm"]},{"name":"stages.1.block.0.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.1.block.0.cell.bottleneck.bottleneck.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 143008, 2838, 4170, 1792, 9, 2, 4, 4, 9, 6.2, 1, 13);
INSERT INTO ressearch.architectures VALUES ('3891c0dd9c296b49', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":2,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":2,"kernel":3,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":8,"kernel":1,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.shortcut.conv","op":"conv","width":8,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.shortcut.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.shortcut.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","stages.0.block.0.cell.bottleneck.bottleneck.shortcut.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 8272, 266, 1546, 1536, 5, 1, 1, 3, 5, 4, 0.3010299956639812, 5);
INSERT INTO ressearch.architectures VALUES ('709c285698f98d58', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":2,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":2,"kernel":3,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":8,"kernel":1,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.shortcut.conv","op":"conv","width":8,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.shortcut.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.shortcut.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","stages.0.block.0.cell.bottleneck.bottleneck.shortcut.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.add"]},{"name":"stages.0.block.1.cell.nested.nested.body.0.basic.body.0.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"stages.0.block.1.cell.nested.nested.body.0.basic.body.0.norm","op":"norm","inputs":["stages.0.block.1.cell.nested.nested.body.0.basic.body.0.conv"]},{"name":"stages.0.block.1.cell.nested.nested.body.0.basic.body.0.act","op":"activation","inputs":["stages.0.block.1.cell.nested.nested.body.0.basic.body.0.norm"]},{"name":"stages.0.block.1.cell.nested.nested.body.0.basic.body.1.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.1.cell.nested.nested.body.0.basic.body.0.act"]},{"name":"stages.0.block.1.cell.nested.nested.body.0.basic.body.1.norm","op":"norm","inputs":["stages.0.block.1.cell.nested.nested.body.0.basic.body.1.conv"]},{"name":"stages.0.block.1.cell.nested.nested.body.0.basic.add","op":"add","inputs":["stages.0.block.1.cell.nested.nested.body.0.basic.body.1.norm","stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"stages.0.block.1.cell.nested.nested.body.0.basic.act","op":"activation","inputs":["stages.0.block.1.cell.nested.nested.body.0.basic.add"]},{"name":"stages.0.block.1.cell.nested.nested.body.1.basic.body.0.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.1.cell.nested.nested.body.0.basic.act"]},{"name":"stages.0.block.1.cell.nested.nested.body.1.basic.body.0.norm","op":"norm","inputs":["stages.0.block.1.cell.nested.nested.body.1.basic.body.0.conv"]},{"name":"stages.0.block.1.cell.nested.nested.body.1.basic.body.0.act","op":"activation","inputs":["stages.0.block.1.cell.nested.nested.body.1.basic.body.0.norm"]},{"name":"stages.0.block.1.cell.nested.nested.body.1.basic.body.1.conv","op":"conv","width":8,"kernel":3,"inputs":["stages.0.block.1.cell.nested.nested.body.1.basic.body.0.act"]},{"name":"stages.0.block.1.cell.nested.nested.body.1.basic.body.1.norm","op":"norm","inputs":["stages.0.block.1.cell.nested.nested.body.1.basic.body.1.conv"]},{"name":"stages.0.block.1.cell.nested.nested.body.1.basic.add","op":"add","inputs":["stages.0.block.1.cell.nested.nested.body.1.basic.body.1.norm","stages.0.block.1.cell.nested.nested.body.0.basic.act"]},{"name":"stages.0.block.1.cell.nested.nested.add","op":"add","inputs":["stages.0.block.1.cell.nested.nested.body.1.basic.add","stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"stages.0.block.1.cell.nested.nested.act","op":"activation","inputs":["stages.0.block.1.cell.nested.nested.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.0.block.1.cell.nested.nested.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 155728, 2634, 3594, 2048, 9, 2, 4, 3, 9, 5.6, 1, 13);
INSERT INTO ressearch.architectures VALUES ('83e75e5b021100d6', '{"format":1,"nodes":[{"name":"input","op":"input","channels":1,"height":8,"width":8,"inputs":[]},{"name":"stem.conv","op":"conv","width":4,"kernel":3,"inputs":["input"]},{"name":"stem.norm","op":"norm","inputs":["stem.conv"]},{"name":"stem.act","op":"activation","inputs":["stem.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":2,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":2,"kernel":3,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":6,"kernel":1,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.shortcut.conv","op":"conv","width":6,"kernel":1,"inputs":["stem.act"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.shortcut.norm","op":"norm","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.shortcut.conv"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.body.2.norm","stages.0.block.0.cell.bottleneck.bottleneck.shortcut.norm"]},{"name":"stages.0.block.0.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.0.block.0.cell.bottleneck.bottleneck.add"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.0.conv","op":"conv","width":2,"kernel":1,"inputs":["stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.0.norm","op":"norm","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.0.conv"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.0.act","op":"activation","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.0.norm"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.1.conv","op":"conv","width":2,"kernel":3,"inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.0.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.1.norm","op":"norm","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.1.conv"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.1.act","op":"activation","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.1.norm"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.2.conv","op":"conv","width":6,"kernel":1,"inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.1.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.body.2.norm","op":"norm","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.2.conv"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.add","op":"add","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.body.2.norm","stages.0.block.0.cell.bottleneck.bottleneck.act"]},{"name":"stages.0.block.1.cell.bottleneck.bottleneck.act","op":"activation","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.add"]},{"name":"head.pool","op":"global_pool","inputs":["stages.0.block.1.cell.bottleneck.bottleneck.act"]},{"name":"head.linear","op":"linear","width":10,"inputs":["head.pool"]}]}', 11324, 306, 1930, 1152, 8, 1, 2, 3, 8, 5.5, 0.6020599913279624, 7);


--
-- Data for Name: block_kinds; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.block_kinds VALUES ('83e1932538984ddf', 'basic', 2);
INSERT INTO ressearch.block_kinds VALUES ('96e6d3330c142974', 'basic', 1);
INSERT INTO ressearch.block_kinds VALUES ('96e6d3330c142974', 'bottleneck', 1);
INSERT INTO ressearch.block_kinds VALUES ('bebfbf801c586641', 'bottleneck', 2);
INSERT INTO ressearch.block_kinds VALUES ('c87c6135cc76224f', 'basic', 1);
INSERT INTO ressearch.block_kinds VALUES ('02f7fa3d050472c9', 'basic', 2);
INSERT INTO ressearch.block_kinds VALUES ('02f7fa3d050472c9', 'nested', 1);
INSERT INTO ressearch.block_kinds VALUES ('02f7fa3d050472c9', 'bottleneck', 1);
INSERT INTO ressearch.block_kinds VALUES ('3891c0dd9c296b49', 'bottleneck', 1);
INSERT INTO ressearch.block_kinds VALUES ('709c285698f98d58', 'basic', 2);
INSERT INTO ressearch.block_kinds VALUES ('709c285698f98d58', 'bottleneck', 1);
INSERT INTO ressearch.block_kinds VALUES ('709c285698f98d58', 'nested', 1);
INSERT INTO ressearch.block_kinds VALUES ('83e75e5b021100d6', 'bottleneck', 2);


--
-- Data for Name: latencies; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.latencies VALUES (1, '83e1932538984ddf', 'cpu', 'bf16', 1, 1, 5, 0.0004489450002438389, 0.00044893499989484553, 0.0004566269999486394, 1795847573.4391863);


--
-- Data for Name: measurements; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.measurements VALUES (1, '96e6d3330c142974', '497dd2b2d6056022', 1, 1, 1, 1, 0, 0.08, 2.3044918823242186, 2.3908020468319164, 0.07681011099975876, 0.0764124749999997, 16389.720066296097, 142728192, 497938432, 'cpu', 'bf16', 1795847543.5607018);
INSERT INTO ressearch.measurements VALUES (2, '83e1932538984ddf', '497dd2b2d6056022', 1, 1, 1, 1, 0, 0.22, 2.1853068542480467, 2.2265351239372704, 0.0996921799996926, 0.08480603599999981, 13055.408955554412, 229472256, 498941952, 'cpu', 'bf16', 1795847543.6228821);
INSERT INTO ressearch.measurements VALUES (3, 'bebfbf801c586641', '497dd2b2d6056022', 1, 1, 1, 1, 0, 0.145, 2.286253662109375, 2.299206677605124, 0.09582240399959119, 0.0835156610000003, 12542.357836484514, 34781184, 502259712, 'cpu', 'bf16', 1795847543.7138832);
INSERT INTO ressearch.measurements VALUES (4, 'c87c6135cc76224f', '497dd2b2d6056022', 1, 1, 1, 1, 0, 0.125, 2.255603485107422, 2.2831551046932446, 0.06293384099990362, 0.057514683999999594, 19470.51160605503, 389904384, 501334016, 'cpu', 'bf16', 1795847543.7344327);
INSERT INTO ressearch.measurements VALUES (5, '96e6d3330c142974', '01434f3971195ae3', 1, 0.5, 1, 1, 0, 0.1275, 2.281668701171875, 2.3688583374023438, 0.06170458899987352, 0.061026062000000714, 9896.264589455608, 71364096, 497532928, 'cpu', 'bf16', 1795847566.2059686);
INSERT INTO ressearch.measurements VALUES (6, '83e1932538984ddf', 'e64f9e1b1a0c5215', 1, 0.5, 1, 1, 0, 0.1325, 2.2728126525878904, 2.304346799850464, 0.05195130100037204, 0.04847517100000065, 11080.690911353071, 107986944, 499007488, 'cpu', 'bf16', 1795847566.299262);
INSERT INTO ressearch.measurements VALUES (7, '02f7fa3d050472c9', '6ebbe733158f74e0', 1, 0.5, 1, 1, 0, 0.1325, 2.2621429443359373, 2.27839994430542, 0.09844041999986075, 0.09185965499999993, 6090.567934762343, 439320576, 505155584, 'cpu', 'bf16', 1795847566.3684251);
INSERT INTO ressearch.measurements VALUES (8, '3891c0dd9c296b49', '8debb3a073027875', 1, 0.5, 1, 1, 0, 0.115, 2.2997169494628906, 2.336106777191162, 0.043949414000508114, 0.041301440000000245, 14974.82883356949, 25411584, 502624256, 'cpu', 'bf16', 1795847566.3969266);
INSERT INTO ressearch.measurements VALUES (9, '83e1932538984ddf', '497dd2b2d6056022', 1, 1, 1, 1, 1, 0.5, 1.5, 1.25, 2, 1.75, 640, 6000000, 1024, 'cpu', 'fp32', 1795847568.8577147);
INSERT INTO ressearch.measurements VALUES (10, '709c285698f98d58', '497dd2b2d6056022', 1, 1, 1, 1, 1, 0.5, 1.5, 1.25, 2, 1.75, 640, 6000000, 1024, 'cpu', 'fp32', 1795847568.8765612);


--
-- Data for Name: recipes; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.recipes VALUES ('497dd2b2d6056022', '96a506dfa7be07d9', '', 64, 0.1, 0.9, 0.0005, 0, 0.2, false, 0, false, 0, 0, true);
INSERT INTO ressearch.recipes VALUES ('d673f976df163231', '96a506dfa7be07d9', '', 64, 1e+15, 0.9, 0.0005, 0, 0.2, false, 0, false, 0, 0, true);
INSERT INTO ressearch.recipes VALUES ('01434f3971195ae3', '96a506dfa7be07d9', '', 32, 0.33653120378476664, 0.8, 0.0005, 0, 0.2, false, 0, false, 0, 0, true);
INSERT INTO ressearch.recipes VALUES ('e64f9e1b1a0c5215', '96a506dfa7be07d9', '', 64, 0.1, 0.8, 0.0005, 0, 0.2, false, 0, false, 0, 0, true);
INSERT INTO ressearch.recipes VALUES ('6ebbe733158f74e0', '96a506dfa7be07d9', '', 64, 0.3397956023048607, 0.8, 0.0005, 0, 0.2, false, 0, false, 0, 0, true);
INSERT INTO ressearch.recipes VALUES ('8debb3a073027875', '96a506dfa7be07d9', '', 64, 0.33878116364140226, 0.8, 0.0005, 0, 0.2, false, 0, false, 0, 0, true);
INSERT INTO ressearch.recipes VALUES ('b50c18020bbd6a1e', 'b0541512909a44bf', '', 64, 0.1, 0.9, 0.0005, 0, 0.2, false, 0, false, 0, 0, true);


--
-- Data for Name: retrainings; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.retrainings VALUES (1, '83e1932538984ddf', 'b50c18020bbd6a1e', 1, 1, 1, 1, 0, 0.36666666666666664, 2.090404256184896, 2.1881775234056557, 0.10275672299940197, 0.19900440099999983, 14977.288854341625, 310462464, 372662272, 'cpu', 'bf16', 1795847571.2295363);
INSERT INTO ressearch.retrainings VALUES (2, '83e1932538984ddf', 'b50c18020bbd6a1e', 1, 1, 1, 1, 1, 0.3, 2.214904988606771, 2.260345624840778, 0.09174296699984552, 0.18075406500000035, 16533.94506539778, 310462464, 375001088, 'cpu', 'bf16', 1795847571.3599925);


--
-- Data for Name: studies; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.studies VALUES (1, 'tiny', 'tiny', 'version: 1
name: tiny
input: {shape: [1, 8, 8], classes: 10}
stem: {op: conv3x3, width: 4}
stages: {repeat: {min: 1, max: 2}, width: {start: {values: [4, 6, 8]}}, depth: {min: 1, max: 2}, block: {use: cell}}
blocks:
  cell: {one_of: {basic: {use: basic}, bottleneck: {use: bottleneck}, nested: {use: nested}}}
baselines:
  plain_resnet: {repeat: 2, start: 4, depth: 1, one_of: basic}
task: {dataset: digits}
train: {epochs: 1, batch_size: 64, lr: 0.1}
', '8df9a62a5c2ad843', 'digits', '497dd2b2d6056022', 1, 1, 1, 1, 0, '{"python": "3.11.7", "ressearch": "0.1.0", "torch": "2.13.0+cpu", "ray": "2.60.0", "optuna": "5.0.0", "numpy": "2.4.6"}', NULL, 1795847536.7426252);
INSERT INTO ressearch.studies VALUES (2, 'hot', 'hot', 'version: 1
name: hot
input: {shape: [1, 8, 8], classes: 10}
stem: {op: conv3x3, width: 4}
stages: {repeat: {min: 1, max: 2}, width: {start: {values: [4, 6, 8]}}, depth: {min: 1, max: 2}, block: {use: cell}}
blocks:
  cell: {one_of: {basic: {use: basic}, bottleneck: {use: bottleneck}, nested: {use: nested}}}
baselines:
  plain_resnet: {repeat: 2, start: 4, depth: 1, one_of: basic}
task: {dataset: digits}
train: {epochs: 1, batch_size: 64, lr: 1.0e15}
', 'ca65ffe4e545db03', 'digits', 'd673f976df163231', 1, 1, 1, 1, 0, '{"python": "3.11.7", "ressearch": "0.1.0", "torch": "2.13.0+cpu", "ray": "2.60.0", "optuna": "5.0.0", "numpy": "2.4.6"}', NULL, 1795847548.5244045);
INSERT INTO ressearch.studies VALUES (3, 'tuned', 'tuned', 'version: 1
name: tuned
input: {shape: [1, 8, 8], classes: 10}
stem: {op: conv3x3, width: 4}
stages: {repeat: {min: 1, max: 2}, width: {start: {values: [4, 6, 8]}}, depth: {min: 1, max: 2}, block: {use: cell}}
blocks:
  cell: {one_of: {basic: {use: basic}, bottleneck: {use: bottleneck}, nested: {use: nested}}}
baselines:
  plain_resnet: {repeat: 2, start: 4, depth: 1, one_of: basic}
task: {dataset: digits}
train: {epochs: 1, batch_size: 64, data_fraction: 0.5}
parameters:
  lr: {min: 0.01, max: 0.5, distribution: log_uniform_values}
  batch_size: {values: [32, 64]}
  momentum: {value: 0.8}
', '6f0c199bf319d7cd', 'digits', '497dd2b2d6056022', 1, 0.5, 1, 1, 0, '{"python": "3.11.7", "ressearch": "0.1.0", "torch": "2.13.0+cpu", "ray": "2.60.0", "optuna": "5.0.0", "numpy": "2.4.6"}', NULL, 1795847560.2573473);
INSERT INTO ressearch.studies VALUES (4, 'again', 'tiny', 'version: 1
name: tiny
input: {shape: [1, 8, 8], classes: 10}
stem: {op: conv3x3, width: 4}
stages: {repeat: {min: 1, max: 2}, width: {start: {values: [4, 6, 8]}}, depth: {min: 1, max: 2}, block: {use: cell}}
blocks:
  cell: {one_of: {basic: {use: basic}, bottleneck: {use: bottleneck}, nested: {use: nested}}}
baselines:
  plain_resnet: {repeat: 2, start: 4, depth: 1, one_of: basic}
task: {dataset: digits}
train: {epochs: 1, batch_size: 64, lr: 0.1}
', '8df9a62a5c2ad843', 'digits', '497dd2b2d6056022', 1, 1, 1, 1, 1, '{"python": "3.11.7", "ressearch": "0.1.0", "torch": "2.13.0+cpu", "ray": "2.60.0", "optuna": "5.0.0", "numpy": "2.4.6"}', NULL, 1795847568.8409958);


--
-- Data for Name: trials; Type: TABLE DATA; Schema: ressearch; Owner: -
--

INSERT INTO ressearch.trials VALUES (2, 1, 1, '96e6d3330c142974', '{"stages.repeat": 1, "stages.width.start": 4, "stages.0.depth": 2, "stages.0.block.0.cell.one_of": "basic", "stages.0.block.1.cell.one_of": "bottleneck"}', 0, 'proposed', NULL, 'complete', 1, NULL, NULL, false, 1795847539.9768357, 1795847543.566301);
INSERT INTO ressearch.trials VALUES (1, 1, 0, '83e1932538984ddf', '{"stages.repeat": 2, "stages.width.start": 4, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "basic", "stages.1.depth": 1, "stages.1.block.0.cell.one_of": "basic"}', 0, 'baseline', 'plain_resnet', 'complete', 2, NULL, NULL, false, 1795847536.753522, 1795847543.6262357);
INSERT INTO ressearch.trials VALUES (3, 1, 2, 'bebfbf801c586641', '{"stages.repeat": 2, "stages.width.start": 4, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "bottleneck", "stages.1.depth": 1, "stages.1.block.0.cell.one_of": "bottleneck"}', 0, 'proposed', NULL, 'complete', 3, NULL, NULL, false, 1795847543.5942392, 1795847543.7172132);
INSERT INTO ressearch.trials VALUES (4, 1, 3, 'c87c6135cc76224f', '{"stages.repeat": 1, "stages.width.start": 8, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "basic"}', 0, 'proposed', NULL, 'complete', 4, NULL, NULL, false, 1795847543.652486, 1795847543.7373228);
INSERT INTO ressearch.trials VALUES (5, 2, 0, '83e1932538984ddf', '{"stages.repeat": 2, "stages.width.start": 4, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "basic", "stages.1.depth": 1, "stages.1.block.0.cell.one_of": "basic"}', 0, 'baseline', 'plain_resnet', 'failed', NULL, 'Traceback (most recent call last):
  File "ressearch/search/worker.py", line 68, in outcome_of
    return {"measurement": asdict(_measurement(job))}
                                  ^^^^^^^^^^^^^^^^^
  File "ressearch/search/worker.py", line 109, in _measurement
    return with_checkpoint(train, job["checkpoint"])
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "ressearch/search/worker.py", line 120, in with_checkpoint
    return train(checkpoint)
           ^^^^^^^^^^^^^^^^^
  File "ressearch/search/worker.py", line 107, in train
    return measure(architecture, data, recipe, fidelity, job["seed"], job["device"], checkpoint)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "ressearch/training.py", line 63, in measure
    training.epoch()
  File "ressearch/training.py", line 145, in epoch
    self.train_loss = self._finite(float(self._total) / self.steps_per_epoch, "training")
                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "ressearch/training.py", line 281, in _finite
    raise DivergedError(f"the {which} loss was {loss} after epoch {epoch}", hint="lower train.lr")
ressearch.errors.DivergedError: error[E701]: the training loss was nan after epoch 1
  = help: lower train.lr
', 'diverged', false, 1795847548.5329468, 1795847555.226079);
INSERT INTO ressearch.trials VALUES (7, 3, 1, '96e6d3330c142974', '{"stages.repeat": 1, "stages.width.start": 4, "stages.0.depth": 2, "stages.0.block.0.cell.one_of": "basic", "stages.0.block.1.cell.one_of": "bottleneck", "parameters.lr": 0.33653120378476664, "parameters.batch_size": 32}', 0, 'proposed', NULL, 'complete', 5, NULL, NULL, false, 1795847562.522827, 1795847566.2128732);
INSERT INTO ressearch.trials VALUES (6, 3, 0, '83e1932538984ddf', '{"stages.repeat": 2, "stages.width.start": 4, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "basic", "stages.1.depth": 1, "stages.1.block.0.cell.one_of": "basic", "parameters.lr": 0.1, "parameters.batch_size": 64}', 0, 'baseline', 'plain_resnet', 'complete', 6, NULL, NULL, false, 1795847560.2676535, 1795847566.3033063);
INSERT INTO ressearch.trials VALUES (8, 3, 2, '02f7fa3d050472c9', '{"stages.repeat": 2, "stages.width.start": 8, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "nested", "stages.1.depth": 1, "stages.1.block.0.cell.one_of": "bottleneck", "parameters.lr": 0.3397956023048607, "parameters.batch_size": 64}', 0, 'proposed', NULL, 'complete', 7, NULL, NULL, false, 1795847566.2445467, 1795847566.372416);
INSERT INTO ressearch.trials VALUES (9, 3, 3, '3891c0dd9c296b49', '{"stages.repeat": 1, "stages.width.start": 8, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "bottleneck", "parameters.lr": 0.33878116364140226, "parameters.batch_size": 64}', 0, 'proposed', NULL, 'complete', 8, NULL, NULL, false, 1795847566.3328393, 1795847566.4014478);
INSERT INTO ressearch.trials VALUES (10, 4, 0, '83e1932538984ddf', '{"stages.repeat": 2, "stages.width.start": 4, "stages.0.depth": 1, "stages.0.block.0.cell.one_of": "basic", "stages.1.depth": 1, "stages.1.block.0.cell.one_of": "basic"}', 1, 'baseline', 'plain_resnet', 'complete', 9, NULL, NULL, false, 1795847568.8522542, 1795847568.8639433);
INSERT INTO ressearch.trials VALUES (11, 4, 1, '709c285698f98d58', '{"stages.repeat": 1, "stages.width.start": 8, "stages.0.depth": 2, "stages.0.block.0.cell.one_of": "bottleneck", "stages.0.block.1.cell.one_of": "nested"}', 1, 'proposed', NULL, 'complete', 10, NULL, NULL, false, 1795847568.8730483, 1795847568.8807843);
INSERT INTO ressearch.trials VALUES (12, 4, 2, '83e75e5b021100d6', '{"stages.repeat": 1, "stages.width.start": 6, "stages.0.depth": 2, "stages.0.block.0.cell.one_of": "bottleneck", "stages.0.block.1.cell.one_of": "bottleneck"}', 1, 'proposed', NULL, 'running', NULL, NULL, NULL, false, 1795847568.8871315, NULL);


--
-- Name: latencies_id_seq; Type: SEQUENCE SET; Schema: ressearch; Owner: -
--

SELECT pg_catalog.setval('ressearch.latencies_id_seq', 1, true);


--
-- Name: measurements_id_seq; Type: SEQUENCE SET; Schema: ressearch; Owner: -
--

SELECT pg_catalog.setval('ressearch.measurements_id_seq', 10, true);


--
-- Name: retrainings_id_seq; Type: SEQUENCE SET; Schema: ressearch; Owner: -
--

SELECT pg_catalog.setval('ressearch.retrainings_id_seq', 2, true);


--
-- Name: studies_id_seq; Type: SEQUENCE SET; Schema: ressearch; Owner: -
--

SELECT pg_catalog.setval('ressearch.studies_id_seq', 4, true);


--
-- Name: trials_id_seq; Type: SEQUENCE SET; Schema: ressearch; Owner: -
--

SELECT pg_catalog.setval('ressearch.trials_id_seq', 12, true);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: architectures architectures_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.architectures
    ADD CONSTRAINT architectures_pkey PRIMARY KEY (id);


--
-- Name: block_kinds block_kinds_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.block_kinds
    ADD CONSTRAINT block_kinds_pkey PRIMARY KEY (architecture_id, kind);


--
-- Name: latencies latencies_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.latencies
    ADD CONSTRAINT latencies_pkey PRIMARY KEY (id);


--
-- Name: measurements measurements_by_key; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.measurements
    ADD CONSTRAINT measurements_by_key UNIQUE (architecture_id, recipe_digest, epochs, data_fraction, resolution, schedule, seed);


--
-- Name: measurements measurements_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.measurements
    ADD CONSTRAINT measurements_pkey PRIMARY KEY (id);


--
-- Name: recipes recipes_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.recipes
    ADD CONSTRAINT recipes_pkey PRIMARY KEY (digest);


--
-- Name: retrainings retrainings_by_key; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.retrainings
    ADD CONSTRAINT retrainings_by_key UNIQUE (architecture_id, recipe_digest, epochs, data_fraction, resolution, schedule, seed);


--
-- Name: retrainings retrainings_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.retrainings
    ADD CONSTRAINT retrainings_pkey PRIMARY KEY (id);


--
-- Name: studies studies_name_key; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.studies
    ADD CONSTRAINT studies_name_key UNIQUE (name);


--
-- Name: studies studies_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.studies
    ADD CONSTRAINT studies_pkey PRIMARY KEY (id);


--
-- Name: trials trials_by_number; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.trials
    ADD CONSTRAINT trials_by_number UNIQUE (study_id, number);


--
-- Name: trials trials_pkey; Type: CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.trials
    ADD CONSTRAINT trials_pkey PRIMARY KEY (id);


--
-- Name: latencies_by_architecture; Type: INDEX; Schema: ressearch; Owner: -
--

CREATE INDEX latencies_by_architecture ON ressearch.latencies USING btree (architecture_id);


--
-- Name: trials_by_architecture; Type: INDEX; Schema: ressearch; Owner: -
--

CREATE INDEX trials_by_architecture ON ressearch.trials USING btree (architecture_id);


--
-- Name: block_kinds block_kinds_architecture_id_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.block_kinds
    ADD CONSTRAINT block_kinds_architecture_id_fkey FOREIGN KEY (architecture_id) REFERENCES ressearch.architectures(id);


--
-- Name: latencies latencies_architecture_id_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.latencies
    ADD CONSTRAINT latencies_architecture_id_fkey FOREIGN KEY (architecture_id) REFERENCES ressearch.architectures(id);


--
-- Name: measurements measurements_architecture_id_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.measurements
    ADD CONSTRAINT measurements_architecture_id_fkey FOREIGN KEY (architecture_id) REFERENCES ressearch.architectures(id);


--
-- Name: measurements measurements_recipe_digest_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.measurements
    ADD CONSTRAINT measurements_recipe_digest_fkey FOREIGN KEY (recipe_digest) REFERENCES ressearch.recipes(digest);


--
-- Name: retrainings retrainings_architecture_id_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.retrainings
    ADD CONSTRAINT retrainings_architecture_id_fkey FOREIGN KEY (architecture_id) REFERENCES ressearch.architectures(id);


--
-- Name: retrainings retrainings_recipe_digest_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.retrainings
    ADD CONSTRAINT retrainings_recipe_digest_fkey FOREIGN KEY (recipe_digest) REFERENCES ressearch.recipes(digest);


--
-- Name: studies studies_recipe_digest_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.studies
    ADD CONSTRAINT studies_recipe_digest_fkey FOREIGN KEY (recipe_digest) REFERENCES ressearch.recipes(digest);


--
-- Name: trials trials_architecture_id_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.trials
    ADD CONSTRAINT trials_architecture_id_fkey FOREIGN KEY (architecture_id) REFERENCES ressearch.architectures(id);


--
-- Name: trials trials_measurement_id_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.trials
    ADD CONSTRAINT trials_measurement_id_fkey FOREIGN KEY (measurement_id) REFERENCES ressearch.measurements(id);


--
-- Name: trials trials_study_id_fkey; Type: FK CONSTRAINT; Schema: ressearch; Owner: -
--

ALTER TABLE ONLY ressearch.trials
    ADD CONSTRAINT trials_study_id_fkey FOREIGN KEY (study_id) REFERENCES ressearch.studies(id);


--
-- PostgreSQL database dump complete
--

