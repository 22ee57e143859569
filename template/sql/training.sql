-- How the landed datasets become the training table (DuckDB).
-- A cancelled or diverted flight never arrives, so it has no target.
SELECT *
FROM flights
WHERE late IS NOT NULL
