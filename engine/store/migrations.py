"""The tables of metrics.duckdb, as numbered migrations. Times are UTC without a zone."""

MIGRATIONS = [
    """
    create table batches (
        batch varchar not null, model varchar not null, file varchar not null,
        source varchar not null, received timestamp not null, rows bigint not null,
        time_from timestamp, time_to timestamp, verdict varchar not null, reasons varchar not null
    );
    create table columns (model varchar not null, name varchar not null, type varchar not null);
    create table predictions (
        model varchar not null, prediction_id varchar not null, id varchar not null,
        ts timestamp not null, received timestamp not null, client varchar,
        generation bigint not null, version varchar not null, role varchar not null,
        features varchar not null, answer double[] not null, decision varchar,
        flags varchar not null, latency_ms double not null
    );
    create table shadow_answers (
        model varchar not null, version varchar not null, prediction_id varchar not null,
        answer double[] not null
    );
    create table labels (
        model varchar not null, id varchar not null, ts timestamp not null,
        value varchar, received timestamp not null, primary key (model, id)
    );
    create table profiles (
        model varchar not null, version varchar not null, name varchar not null,
        profile varchar not null
    );
    create table scores (
        model varchar not null, version varchar not null, kind varchar not null,
        name varchar not null, window_from timestamp not null, window_to timestamp not null,
        value double, low double, high double, n bigint not null, detail varchar
    );
    create table runs (
        id varchar primary key, model varchar not null, job varchar not null,
        state varchar not null, cause varchar not null, queued_at timestamp not null,
        started_at timestamp, ended_at timestamp, note varchar not null, error varchar,
        version varchar, verdict varchar
    );
    create table spool_marks (segment varchar primary key, position bigint not null);
    """,
    """
    alter table scores add column look timestamp;
    create table looks (
        model varchar not null, moment timestamp not null, champion varchar not null,
        restated bigint not null, primary key (model, moment)
    );
    create sequence arrival;
    create table arrivals (
        mark bigint not null default nextval('arrival'), model varchar not null,
        minute timestamp, id varchar
    );
    alter table labels add column source varchar default '';
    """,
    """
    alter table profiles add column part varchar default 'feature';
    create table hours (
        model varchar not null, version varchar not null, begins timestamp not null,
        rows bigint not null, cells blob not null, unseen varchar not null
    );
    create table days as from hours;
    create table stillness (
        model varchar not null, version varchar not null, day timestamp not null,
        rows bigint not null, terms varchar not null, state varchar not null
    );
    """,
    """
    alter table runs add column cpu_s double;
    alter table runs add column memory_mib bigint;
    """,
    """
    alter table scores add column measured timestamp;
    create table tide (commits bigint not null);
    insert into tide values (0);
    """,
    """
    create table batch_queries (
        model varchar not null, batch varchar not null, query varchar not null,
        primary key (model, batch)
    );
    """,
    """
    alter table batches add column findings varchar default '[]';
    alter table batches add column kind varchar default 'rows';
    create table delivered (
        model varchar not null, batch varchar not null, profile varchar not null
    );
    create table schemas (
        model varchar not null, version bigint not null, columns varchar not null,
        since timestamp not null, approved_by varchar, file varchar not null
    );
    """,
    """
    create table archived (
        model varchar not null, day date not null, rows bigint not null, noted timestamp not null,
        primary key (model, day)
    );
    create table shifts (name varchar primary key, shift bigint not null);
    """,
    """
    alter table labels add column contested boolean default false;
    """,
    """
    create table runs_gone (
        model varchar not null, job varchar not null, outcome varchar not null,
        n bigint not null, seconds double not null, upto bigint[] not null,
        primary key (model, job, outcome)
    );
    """,
    """
    create temp table kept_labels as select * from labels order by rowid;
    insert or replace into shifts select 'labels', coalesce((select shift from shifts
        where name = 'labels'), 0) + coalesce((select max(rowid) from labels), -1) + 1
        - (select count(*) from kept_labels);
    drop table labels;
    create table labels (
        model varchar not null, id varchar not null, ts timestamp not null, value varchar,
        received timestamp not null, source varchar default '', contested boolean default false
    );
    insert into labels select * from kept_labels;
    drop table kept_labels;
    """,
]
