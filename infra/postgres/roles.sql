-- One role and one schema for each service, and no way for a service into another's. Run as the superuser in the
-- services' database; running it again changes nothing but the passwords. A password is taken from the setting
-- bongsu.<service>_password of the session; without one it is the role's name (fit for a laptop only).
DO $$
DECLARE
  service  text;
  role     text;
  password text;
BEGIN
  FOREACH service IN ARRAY ARRAY['api', 'notification', 'audit'] LOOP
    role := 'bongsu_' || service;
    password := coalesce(nullif(current_setting('bongsu.' || service || '_password', true), ''), role);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I', role);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %L', role, password);
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', role, current_database(), service);
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', service);
    IF service <> 'audit' THEN
      EXECUTE format('ALTER SCHEMA %I OWNER TO %I', service, role);
    END IF;
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', service);
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), role);
  END LOOP;
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
END
$$;

-- Who may look at the server's own figures, and at no row of a service's: for Prometheus' exporter (profile monitoring). Without a
-- password of its own, in bongsu.monitor_password, nobody can log in as it: it would be a known way in. What it asks is bounded, so
-- that looking does no harm.
DO $$
DECLARE
  password text := nullif(current_setting('bongsu.monitor_password', true), '');
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bongsu_monitor') THEN
    CREATE ROLE bongsu_monitor;
  END IF;
  ALTER ROLE bongsu_monitor NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 5;
  IF password IS NOT NULL THEN
    EXECUTE format('ALTER ROLE bongsu_monitor LOGIN PASSWORD %L', password);
  END IF;
  ALTER ROLE bongsu_monitor SET default_transaction_read_only = on;
  ALTER ROLE bongsu_monitor SET statement_timeout = '4s';
  ALTER ROLE bongsu_monitor SET lock_timeout = '1s';
  GRANT pg_monitor TO bongsu_monitor;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO bongsu_monitor', current_database());
END
$$;

-- What is recorded for the audit, its own service must not change either (docs/adr/0011): bongsu_audit may SELECT and INSERT.
-- Two more roles, nobody's to log in with, hold what is needed besides. The service steps into them for one purpose each,
-- explicitly: INHERIT FALSE, so that it has nothing of theirs otherwise.
--   bongsu_audit_owner   owns the schema: migrations, and the partitions of the coming months
--   bongsu_audit_eraser  may empty the columns of a payload, for the erasure of a person's data
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['bongsu_audit_owner', 'bongsu_audit_eraser'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I', role);
    END IF;
    EXECUTE format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION', role);
    EXECUTE format('GRANT %I TO bongsu_audit WITH INHERIT FALSE, SET TRUE', role);
  END LOOP;
  -- Of a store that was made when the service's own role was the owner.
  REASSIGN OWNED BY bongsu_audit TO bongsu_audit_owner;
  ALTER SCHEMA audit OWNER TO bongsu_audit_owner;
  GRANT USAGE ON SCHEMA audit TO bongsu_audit, bongsu_audit_eraser;
  GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA audit TO bongsu_audit;
  ALTER DEFAULT PRIVILEGES FOR ROLE bongsu_audit_owner IN SCHEMA audit GRANT SELECT, INSERT ON TABLES TO bongsu_audit;
  IF to_regclass('audit.records') IS NOT NULL THEN
    GRANT SELECT, UPDATE (payload, salt, tenant, recipient) ON audit.records TO bongsu_audit_eraser;
  END IF;
  IF to_regclass('audit.erasures') IS NOT NULL THEN
    GRANT SELECT ON audit.erasures TO bongsu_audit_eraser;
  END IF;
END
$$;
