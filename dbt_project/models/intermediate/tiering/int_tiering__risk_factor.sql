with successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

code_ranks as (
    select
        measure_code,
        code,
        cast(code_rank as decimal(18, 2)) as code_rank
    from {{ source('policy', 'code_rank') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

-- Of merged customers the worst of each counts.
final as (
    select
        {{ as_of_date() }} as evaluation_date,
        coalesce(successors.new_customer_id, risks.customer_id) as customer_id,
        min(results.code_rank) as risk_result_rank,
        max(flags.code_rank) as special_flag_rank,
        max(classes.code_rank) as aml_class_rank
    from {{ ref('stg_risk__customer_risk') }} as risks
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'risk.customer_risk'
            and risks.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
    left join code_ranks as results
        on results.measure_code = 'risk_result_rank' and risks.risk_result = results.code
    left join code_ranks as flags
        on flags.measure_code = 'special_flag_rank' and risks.special_flag = flags.code
    left join code_ranks as classes
        on classes.measure_code = 'aml_class_rank' and risks.aml_class = classes.code
    left join successors on risks.customer_id = successors.old_customer_id
    group by coalesce(successors.new_customer_id, risks.customer_id)
)

select * from final
